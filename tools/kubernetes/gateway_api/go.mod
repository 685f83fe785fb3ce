// The CRDs that tests of `steering: {kind: gateway_api}` load. Nothing is compiled of it.
module muster/tools/kubernetes/gateway_api

go 1.26.0

require sigs.k8s.io/gateway-api v1.6.3

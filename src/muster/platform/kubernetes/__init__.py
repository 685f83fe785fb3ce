"""What the adapters for Kubernetes share: the API, workloads, their pods, and who else sets them.

`cluster` makes the calls. `workloads` reads and scales whatever has the subresource `/scale`;
`pods` finds the pods that belong to it; `rollout` restarts a deployment; `rehearsal` asks what the
API server would refuse; `autoscalers` and `others` find who else sets replicas.
"""

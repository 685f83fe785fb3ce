"""The contract for other tools: Prometheus rules, OpenSLO, a Grafana dashboard, JSON Schemas."""

"""What a drill looks at: thin functions, named in the JSON as `probes.slo` and the like."""

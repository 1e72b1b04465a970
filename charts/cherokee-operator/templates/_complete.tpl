{{- /* Fails where a value that the templates need is missing, as under `helm upgrade --reuse-values` from a chart that lacked it.
Every template includes it first: a missing value would otherwise end in a nil pointer, or in an operator without its rights.
The list is every value with a default other than empty; `make check` removes each value in turn. */ -}}
{{- define "cherokee-operator.complete" -}}
{{- $required := list
    "image.registry"
    "image.redis"
    "image.pullPolicy"
    "crds.enabled"
    "simulateGpus"
    "replicas"
    "log.format"
    "log.level"
    "listen"
    "resources"
    "serviceAccount.create"
    "rbac.create"
    "rbac.aggregate"
    "metrics.service"
    "networkPolicy.enabled"
    "podDisruptionBudget.enabled"
}}
{{- range $path := $required }}
{{- $at := $.Values }}
{{- range $key := splitList "." $path }}
{{- if not (and (kindIs "map" $at) (hasKey $at $key)) }}
{{- fail (printf "value `%s` is missing: the values of a release made by another version of this chart were reused, or it was set to null; upgrade with --reset-then-reuse-values in place of --reuse-values" $path) }}
{{- end }}
{{- $at = index $at $key }}
{{- end }}
{{- end }}
{{- end }}

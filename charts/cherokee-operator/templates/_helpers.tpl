{{- define "cherokee-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "cherokee-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" }}
{{- else if contains (include "cherokee-operator.name" .) .Release.Name }}
{{- .Release.Name | trunc 53 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "cherokee-operator.name" .) | trunc 53 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* Names outside the release's namespace: two releases of one name in two namespaces must not share them. Neither part may
contain a colon, so no two pairs make the same name. */ -}}
{{- define "cherokee-operator.wideName" -}}
{{- printf "%s:%s" (include "cherokee-operator.fullname" .) .Release.Namespace }}
{{- end }}

{{- define "cherokee-operator.selector" -}}
app.kubernetes.io/name: {{ include "cherokee-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "cherokee-operator.labels" -}}
{{ include "cherokee-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "cherokee-operator.account" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "cherokee-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is required when serviceAccount.create is false: name the account to use" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "cherokee-operator.image" -}}
{{- .Values.image.operator | default (printf "%s/cherokee-operator:%s" .Values.image.registry (.Values.image.tag | default .Chart.AppVersion)) }}
{{- end }}

{{- define "cherokee-operator.workerImage" -}}
{{- .Values.image.worker | default (printf "%s/cherokee-worker:%s" .Values.image.registry (.Values.image.tag | default .Chart.AppVersion)) }}
{{- end }}

{{- define "cherokee-operator.subject" -}}
- kind: ServiceAccount
  name: {{ include "cherokee-operator.account" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "cherokee-operator.namespaceRules" -}}
- apiGroups: [cherokee.ai]
  resources: [cherokeeclusters/status]
  verbs: [patch]
# Secrets and claims that a CherokeeCluster names (checked for existence), and the generated password of its Redis.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, delete]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get]
# The pod of a StatefulSet that is stuck on an old revision, and why a StatefulSet has no pod.
- apiGroups: [""]
  resources: [pods]
  verbs: [delete]
- apiGroups: [""]
  resources: [events]
  verbs: [list]
# Children.
- apiGroups: [""]
  resources: [configmaps, services, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [resource.k8s.io]
  resources: [resourceclaimtemplates]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, watch, create, patch, delete]
# Not used by the operator: the gateway's Role grants it, and RBAC lets nobody grant rights that they lack.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

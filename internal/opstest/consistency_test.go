package opstest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// documentedVariables are those of docs/configuration.md.
func documentedVariables(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, m := range regexp.MustCompile("`([A-Z][A-Z0-9_]+)`").FindAllStringSubmatch(string(read(t, "../../docs/configuration.md")), -1) {
		all[m[1]] = true
	}
	if len(all) < 30 {
		t.Fatalf("docs/configuration.md names %d variables only", len(all))
	}
	return all
}

// findings are the places where the manifests of one service do not fit together.
func findings(o objects, documented map[string]bool) (all []string) {
	wrong := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if len(o.deployments) != 1 || len(o.deployments[0].Spec.Template.Spec.Containers) != 1 {
		return []string{"not one deployment of one container"}
	}
	deployment := o.deployments[0]
	pod := deployment.Spec.Template
	container := pod.Spec.Containers[0]
	if !within(deployment.Spec.Selector.MatchLabels, pod.Labels) {
		wrong("the deployment does not select its own pods")
	}
	ports := map[string]int32{}
	for _, p := range container.Ports {
		ports[p.Name] = p.ContainerPort
	}
	checkServices(o, pod.Labels, ports, wrong)
	checkMonitors(o, pod.Labels, ports, wrong)
	checkContainer(container, pod.Spec.Volumes, ports, documented, wrong)
	checkPolicies(o, pod.Labels, ports, wrong)
	checkNames(o, wrong)
	return all
}

// within reports whether the selector is a part of the labels, and not empty.
func within(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return len(selector) > 0
}

// checkNames asks what Kubernetes asks of names, labels and keys when something is applied.
func checkNames(o objects, wrong report) {
	for id, m := range o.metas {
		problems := validation.IsDNS1123Subdomain(m.Name)
		if kind, _, _ := strings.Cut(id, "/"); kind == "Service" {
			problems = validation.IsDNS1035Label(m.Name)
		}
		for key, value := range m.Labels {
			problems = append(problems, validation.IsQualifiedName(key)...)
			problems = append(problems, validation.IsValidLabelValue(value)...)
		}
		for key := range m.Annotations {
			problems = append(problems, validation.IsQualifiedName(key)...)
		}
		for _, problem := range problems {
			wrong("%s: %s", id, problem)
		}
	}
	for _, c := range o.configMaps {
		for key := range c.Data {
			for _, problem := range validation.IsConfigMapKey(key) {
				wrong("ConfigMap/%s: %q: %s", c.Name, key, problem)
			}
		}
	}
}

type report func(format string, args ...any)

func checkServices(o objects, pod map[string]string, ports map[string]int32, wrong report) {
	for _, s := range o.services {
		if !within(s.Spec.Selector, pod) {
			wrong("service %s does not select the pods", s.Name)
		}
		for _, p := range s.Spec.Ports {
			if ports[p.TargetPort.StrVal] == 0 {
				wrong("service %s: the container has no port %q", s.Name, p.TargetPort.StrVal)
			}
		}
	}
}

func checkMonitors(o objects, pod map[string]string, ports map[string]int32, wrong report) {
	for _, m := range o.serviceMonitors {
		matches := 0
		for _, s := range o.services {
			if !within(m.Spec.Selector.MatchLabels, s.Labels) {
				continue
			}
			for _, p := range s.Spec.Ports {
				if p.Name == m.Spec.Endpoints[0].Port {
					matches++
				}
			}
		}
		if matches != 1 || len(m.Spec.Endpoints) != 1 {
			wrong("the ServiceMonitor finds the page %d times", matches)
		}
	}
	for _, m := range o.podMonitors {
		if !within(m.Spec.Selector.MatchLabels, pod) || len(m.Spec.PodMetricsEndpoints) != 1 || ports[*m.Spec.PodMetricsEndpoints[0].Port] == 0 {
			wrong("the PodMonitor does not find the page")
		}
	}
}

func checkContainer(c core.Container, volumes []core.Volume, ports map[string]int32, documented map[string]bool, wrong report) {
	variables := map[string]string{}
	for _, e := range c.Env {
		if _, twice := variables[e.Name]; twice {
			wrong("the variable %s is there twice", e.Name)
		}
		variables[e.Name] = e.Value
		own := regexp.MustCompile(`^(OTEL|METRICS|DUOTEL|ENABLE)_`).MatchString(e.Name)
		if own && !documented[e.Name] {
			wrong("docs/configuration.md knows no variable %s", e.Name)
		}
		for _, m := range regexp.MustCompile(`\$\((\w+)\)`).FindAllStringSubmatch(e.Value, -1) {
			if _, before := variables[m[1]]; !before {
				wrong("%s wants $(%s), which is not set before", e.Name, m[1])
			}
		}
	}
	mounted := map[string]bool{}
	for _, m := range c.VolumeMounts {
		mounted[m.MountPath] = true
		if !slices.ContainsFunc(volumes, func(v core.Volume) bool { return v.Name == m.Name }) {
			wrong("the mount %s has no volume", m.Name)
		}
	}
	if len(mounted) != len(volumes) {
		wrong("%d volumes, %d mounts", len(volumes), len(mounted))
	}
	if spool := variables["DUOTEL_PUSH_SPOOL_DIR"]; spool != "" && !mounted[spool] {
		wrong("the spool %s is no mount", spool)
	}
	if headers := variables["DUOTEL_PUSH_HEADERS_FILE"]; headers != "" && !mounted[headers[:strings.LastIndex(headers, "/")]] {
		wrong("the headers %s are in no mount", headers)
	}
	for _, p := range []*core.Probe{c.LivenessProbe, c.ReadinessProbe} {
		if p != nil && ports[p.HTTPGet.Port.StrVal] == 0 {
			wrong("a probe of port %q, which the container does not have", p.HTTPGet.Port.StrVal)
		}
	}
}

// checkPolicies looks whether Prometheus alone reaches the page, and everybody the service.
func checkPolicies(o objects, pod map[string]string, ports map[string]int32, wrong report) {
	for _, p := range o.policies {
		if !within(p.Spec.PodSelector.MatchLabels, pod) {
			wrong("the NetworkPolicy does not select the pods")
		}
		for _, rule := range p.Spec.Ingress {
			if len(rule.Ports) == 0 {
				wrong("a rule of the NetworkPolicy opens every port")
			}
			for _, port := range rule.Ports {
				open := len(rule.From) == 0
				switch port.Port.IntVal {
				case ports["http"]:
					if !open {
						wrong("the NetworkPolicy closes the service's own port")
					}
				case ports["metrics"]:
					if open || rule.From[0].NamespaceSelector.Size() == 0 || rule.From[0].PodSelector.Size() == 0 {
						wrong("the NetworkPolicy opens the page to others than Prometheus")
					}
				default:
					wrong("the NetworkPolicy opens port %d, which is none of the container's", port.Port.IntVal)
				}
			}
		}
	}
}

// missing are the places where what was asked for is not there, or something else is.
func missing(o objects, flat string) (all []string) {
	wrong := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	c := o.deployments[0].Spec.Template.Spec.Containers[0]
	on := func(setting string) bool { return strings.Contains(flat, setting) }
	metrics := !on("metrics.enabled: false")
	listener := metrics && !on("metrics.listener: false")
	count := func(what string, got int, expected bool, n int) {
		if want := map[bool]int{true: n}[expected]; got != want {
			wrong("%d %s, not %d", got, what, want)
		}
	}
	count("ServiceMonitors", len(o.serviceMonitors), metrics && on("serviceMonitor.enabled: true"), 1)
	count("PodMonitors", len(o.podMonitors), metrics && on("podMonitor.enabled: true"), 1)
	count("PrometheusRules", len(o.rules), metrics && on("prometheusRule.enabled: true"), 2)
	count("ConfigMaps", len(o.configMaps), metrics && on("dashboards.enabled: true"), 2)
	count("NetworkPolicies", len(o.policies), on("networkPolicy.enabled: true"), 1)
	count("PersistentVolumeClaims", len(o.claims), metrics && on("spool.type: claim") && !on("claimName"), 1)
	count("ServiceAccounts", len(o.serviceAccounts), !on("serviceAccount.create: false"), 1)
	probes := !on("probes.enabled: false") && (listener || on("probes.port: http"))
	if (c.LivenessProbe != nil) != probes || (c.ReadinessProbe != nil) != probes {
		wrong("the probes are there: %v", c.LivenessProbe != nil)
	}
	for _, claim := range o.claims {
		if q := claim.Spec.Resources.Requests["storage"]; q.Cmp(resource.MustParse("256Mi")) != 0 {
			wrong("a claim of %s", q.String())
		}
	}
	return all
}

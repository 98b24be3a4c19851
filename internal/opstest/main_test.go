// Package opstest tests what ops/ holds with the types of those who read it: the chart by Helm, each manifest
// decoded strictly into Kubernetes' and the Prometheus operator's types, scrape.yaml by Prometheus itself. It is a
// module of its own, so that none of them is a dependency of the library or the command.
package opstest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"go.uber.org/goleak"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	opsFolder   = "../../ops"
	chartFolder = opsFolder + "/chart"
)

// objects are the manifests of one release or folder, by kind.
type objects struct {
	deployments     []apps.Deployment
	services        []core.Service
	configMaps      []core.ConfigMap
	serviceAccounts []core.ServiceAccount
	claims          []core.PersistentVolumeClaim
	policies        []networking.NetworkPolicy
	serviceMonitors []monitoring.ServiceMonitor
	podMonitors     []monitoring.PodMonitor
	rules           []monitoring.PrometheusRule
	metas           map[string]meta.ObjectMeta // by kind and name
}

// decode adds every document of a file, and is an error for a field that the kind does not have, for a kind that
// should not be there, and for a name that has been used.
func (o *objects) decode(file []byte) error {
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(file)))
	for {
		doc, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := o.decodeOne(doc); err != nil {
			return err
		}
	}
}

func (o *objects) decodeOne(doc []byte) error {
	var head struct {
		meta.TypeMeta
		Metadata meta.ObjectMeta `json:"metadata"`
	}
	if err := yaml.Unmarshal(doc, &head); err != nil {
		return err
	}
	if head.Kind == "" && len(bytes.TrimSpace(doc)) == 0 {
		return nil
	}
	id := head.Kind + "/" + head.Metadata.Name
	if o.metas == nil {
		o.metas = map[string]meta.ObjectMeta{}
	}
	if _, taken := o.metas[id]; taken || head.Metadata.Name == "" {
		return errors.New(id + ": the name is taken, or there is none")
	}
	o.metas[id] = head.Metadata
	switch head.APIVersion + " " + head.Kind {
	case "apps/v1 Deployment":
		return strictly(doc, &o.deployments)
	case "v1 Service":
		return strictly(doc, &o.services)
	case "v1 ConfigMap":
		return strictly(doc, &o.configMaps)
	case "v1 ServiceAccount":
		return strictly(doc, &o.serviceAccounts)
	case "v1 PersistentVolumeClaim":
		return strictly(doc, &o.claims)
	case "networking.k8s.io/v1 NetworkPolicy":
		return strictly(doc, &o.policies)
	case "monitoring.coreos.com/v1 ServiceMonitor":
		return strictly(doc, &o.serviceMonitors)
	case "monitoring.coreos.com/v1 PodMonitor":
		return strictly(doc, &o.podMonitors)
	case "monitoring.coreos.com/v1 PrometheusRule":
		return strictly(doc, &o.rules)
	}
	return errors.New(id + ": a kind that nobody expects: " + string(doc))
}

func strictly[T any](doc []byte, to *[]T) error {
	var v T
	if err := yaml.UnmarshalStrict(doc, &v); err != nil {
		return err
	}
	*to = append(*to, v)
	return nil
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

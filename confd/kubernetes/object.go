package kubernetes

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path"
	"strconv"

	"github.com/pillion-dev/pillion/confd"
)

const serviceLabel = "kubernetes.io/service-name"

// object is what is read of a ConfigMap (data), an EndpointSlice (endpoints, ports) and, in a watch that fails, a Status.
type object struct {
	Metadata struct {
		Name            string            `json:"name"`
		ResourceVersion string            `json:"resourceVersion"`
		Labels          map[string]string `json:"labels"`
	} `json:"metadata"`
	Data      map[string]string `json:"data"`
	Endpoints []endpoint        `json:"endpoints"`
	Ports     []port            `json:"ports"`
	status
}

type endpoint struct {
	Addresses  []string `json:"addresses"`
	Conditions struct {
		Ready *bool `json:"ready"` // unknown is ready
	} `json:"conditions"`
}

type port struct {
	Name string `json:"name"`
	Port int    `json:"port"` // 0: all, which is no endpoint
}

// status is an error of the API server's.
type status struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (s *status) Error() string { return s.Message }

// objectList is one page of a list.
type objectList struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
		Continue        string `json:"continue"`
	} `json:"metadata"`
	Items []object `json:"items"`
}

// event is one line of a watch.
type event struct {
	Type   string `json:"type"` // ADDED, MODIFIED, DELETED, BOOKMARK or ERROR
	Object object `json:"object"`
}

// readStatus is the error in an answer; whatever stands before the API server may have given another.
func readStatus(res *http.Response) *status {
	s := &status{}
	if err := json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(s); err != nil || s.Message == "" {
		s.Message = res.Status
	}
	s.Code = res.StatusCode
	return s
}

func (o *object) configMap() []confd.KVPair {
	var pairs []confd.KVPair
	for key, value := range o.Data {
		pairs = append(pairs, confd.KVPair{Key: path.Join("/configmaps", o.Metadata.Name, key), Value: value})
	}
	return pairs
}

func (o *object) endpointSlice() []confd.KVPair {
	var pairs []confd.KVPair
	for _, p := range o.Ports {
		if p.Port == 0 {
			continue
		}
		number := strconv.Itoa(p.Port)
		name := p.Name
		if name == "" {
			name = number
		}
		for _, e := range o.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			for _, address := range e.Addresses {
				key := path.Join("/endpoints", o.Metadata.Labels[serviceLabel], name, address)
				pairs = append(pairs, confd.KVPair{Key: key, Value: net.JoinHostPort(address, number)})
			}
		}
	}
	return pairs
}

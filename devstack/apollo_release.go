package devstack

import (
	"encoding/json"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
)

// portalNamespace is a namespace as the open API writes it.
type portalNamespace struct {
	App     string       `json:"appId"`
	Cluster string       `json:"clusterName"`
	Name    string       `json:"namespaceName"`
	Comment string       `json:"comment"`
	Format  string       `json:"format"`
	Public  bool         `json:"isPublic"`
	Items   []portalItem `json:"items"`
}

func (ns *apolloNamespace) document() portalNamespace {
	document := portalNamespace{
		App: ns.App, Cluster: ns.Cluster, Name: ns.Name, Format: "properties", Items: []portalItem{},
	}
	if suffix := strings.TrimPrefix(path.Ext(ns.Name), "."); slices.Contains(apolloFormats(), suffix) {
		document.Format = suffix
	}
	for _, item := range ns.Items {
		document.Items = append(document.Items, itemDocument(item))
	}
	return document
}

// apolloFormats are the formats whose namespaces carry them as a suffix.
func apolloFormats() []string { return []string{"json", "yaml", "yml", "xml", "txt"} }

// createNamespace makes a namespace in the app's default cluster. The name
// comes without the suffix of its format.
func (a *Apollo) createNamespace(r *http.Request) (any, error) {
	var asked struct {
		Name   string `json:"name"`
		Format string `json:"format"`
		By     string `json:"dataChangeCreatedBy"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		return nil, refuse(http.StatusBadRequest, "JSON parse error")
	}
	app, name := r.PathValue("app"), asked.Name
	if slices.Contains(apolloFormats(), asked.Format) {
		name += "." + asked.Format
	}
	return map[string]string{"appId": app, "name": name, "format": asked.Format}, a.change(func(data *apolloData) (string, error) {
		switch {
		case asked.Name == "" || asked.By == "":
			return "", refuse(http.StatusBadRequest, "name and dataChangeCreatedBy should not be null or empty")
		case !data.hasApp(app):
			return "", refuse(http.StatusNotFound, "app not found for appId:%s", app)
		case data.find(app, "default", name) != nil:
			return "", refuse(http.StatusBadRequest, "%s already exists", name)
		}
		data.ensure(app, "default", name)
		return "", nil
	})
}

func (a *Apollo) listNamespaces(r *http.Request) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := []portalNamespace{}
	for _, key := range slices.Sorted(maps.Keys(a.data.Namespaces)) {
		ns := a.data.Namespaces[key]
		if ns.App == r.PathValue("app") && ns.Cluster == r.PathValue("cluster") {
			found = append(found, ns.document())
		}
	}
	return found, nil
}

func (a *Apollo) getNamespace(r *http.Request) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ns, err := a.data.asked(r)
	if err != nil {
		return nil, err
	}
	return ns.document(), nil
}

// portalRelease is a release as the open API writes it.
type portalRelease struct {
	ID      int64             `json:"id"`
	App     string            `json:"appId"`
	Cluster string            `json:"clusterName"`
	Name    string            `json:"namespaceName"`
	Title   string            `json:"name"`
	Items   map[string]string `json:"configurations"`
	Comment string            `json:"comment"`
	By      string            `json:"dataChangeCreatedBy"`
	Time    string            `json:"dataChangeCreatedTime"`
}

func (ns *apolloNamespace) releaseDocument(release *apolloRelease) portalRelease {
	return portalRelease{
		ID: release.ID, App: ns.App, Cluster: ns.Cluster, Name: ns.Name, Title: release.Title,
		Items: release.Items, Comment: release.Comment, By: release.By, Time: release.Time.Format(apolloTime),
	}
}

// createRelease releases all pending edits of the namespace.
func (a *Apollo) createRelease(r *http.Request) (any, error) {
	var asked struct {
		Title   string `json:"releaseTitle"`
		Comment string `json:"releaseComment"`
		By      string `json:"releasedBy"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		return nil, refuse(http.StatusBadRequest, "JSON parse error")
	}
	if asked.Title == "" || asked.By == "" {
		return nil, refuse(http.StatusBadRequest, "Params(releaseTitle and releasedBy) can not be empty")
	}
	var document portalRelease
	err := a.change(func(data *apolloData) (string, error) {
		ns, err := data.asked(r)
		if err != nil {
			return "", err
		}
		document = ns.releaseDocument(data.release(ns, asked.Title, asked.Comment, asked.By))
		return ns.watchKey(), nil
	})
	return document, err
}

func (a *Apollo) latestRelease(r *http.Request) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ns, err := a.data.asked(r)
	if err != nil {
		return nil, err
	}
	if release := ns.latest(); release != nil {
		return ns.releaseDocument(release), nil
	}
	return noBody{}, nil
}

// rollback takes the newest release back; the one before it is in force again,
// with its old key.
func (a *Apollo) rollback(r *http.Request) (any, error) {
	id, err := releaseID(r)
	if err != nil {
		return nil, err
	}
	if r.FormValue("operator") == "" {
		return nil, refuse(http.StatusBadRequest, "user(operator) not exists")
	}
	return noBody{}, a.change(func(data *apolloData) (string, error) {
		for _, ns := range data.Namespaces {
			release := ns.latest()
			if release == nil || release.ID != id {
				continue
			}
			release.RolledBack = true
			if ns.latest() == nil {
				return "", refuse(http.StatusBadRequest, "release not found for namespace: %s", ns.Name)
			}
			data.notify(ns.watchKey())
			return ns.watchKey(), nil
		}
		return "", refuse(http.StatusBadRequest, "release %d is not the latest active one", id)
	})
}

package devstack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"
)

// The limits of Apollo's portal, in characters.
const (
	apolloKeyLimit   = 128
	apolloValueLimit = 20_000
)

// portalRoutes is the part of the portal's open API that edits and releases.
func (a *Apollo) portalRoutes(mux *http.ServeMux) {
	const namespaces = "/openapi/v1/envs/{env}/apps/{app}/clusters/{cluster}/namespaces"
	const namespace = namespaces + "/{namespace}"
	mux.HandleFunc("POST /openapi/v1/apps/{app}/appnamespaces", a.portal(a.createNamespace))
	mux.HandleFunc("GET "+namespaces, a.portal(a.listNamespaces))
	mux.HandleFunc("GET "+namespace, a.portal(a.getNamespace))
	mux.HandleFunc("POST "+namespace+"/items", a.portal(a.createItem))
	mux.HandleFunc("GET "+namespace+"/items/{key}", a.portal(a.getItem))
	mux.HandleFunc("PUT "+namespace+"/items/{key}", a.portal(a.updateItem))
	mux.HandleFunc("DELETE "+namespace+"/items/{key}", a.portal(a.deleteItem))
	mux.HandleFunc("POST "+namespace+"/releases", a.portal(a.createRelease))
	mux.HandleFunc("GET "+namespace+"/releases/latest", a.portal(a.latestRelease))
	mux.HandleFunc("PUT /openapi/v1/envs/{env}/releases/{release}/rollback", a.portal(a.rollback))
}

// refusal is a request that the portal does not grant.
type refusal struct {
	status  int
	message string
}

func (r *refusal) Error() string { return r.message }

func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// noBody is a handler's answer of 200 with an empty body, as Apollo gives it
// for edits and for what is not there.
type noBody struct{}

// portal checks token and environment and writes what handler returns: an
// error as Apollo words it, all else as JSON.
func (a *Apollo) portal(handler func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if a.config.Token == "" || r.Header.Get("Authorization") != a.config.Token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var answer any
		err := a.checkEnv(r.PathValue("env"))
		if err == nil {
			answer, err = handler(r)
		}
		switch {
		case err != nil:
			portalError(w, err)
		case answer != any(noBody{}):
			answerJSON(w, http.StatusOK, answer)
		}
	}
}

func (a *Apollo) checkEnv(env string) error {
	if env != "" && env != a.config.Env {
		return refuse(http.StatusBadRequest, "invalid env: %s", env)
	}
	return nil
}

func portalError(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		status = refused.status
	}
	answerJSON(w, status, map[string]any{
		"exception": "com.ctrip.framework.apollo.common.exception.ServiceException",
		"message":   err.Error(), "status": status, "timestamp": time.Now().Format(apolloTime),
	})
}

// portalItem is an item as the open API writes it.
type portalItem struct {
	Key        string  `json:"key"`
	Value      *string `json:"value"`
	Comment    string  `json:"comment,omitempty"`
	CreatedBy  string  `json:"dataChangeCreatedBy,omitempty"`
	ModifiedBy string  `json:"dataChangeLastModifiedBy,omitempty"`
}

func itemDocument(item apolloItem) portalItem {
	return portalItem{Key: item.Key, Value: &item.Value, CreatedBy: item.By, ModifiedBy: item.By}
}

func (a *Apollo) createItem(r *http.Request) (any, error) {
	item, err := itemOf(r)
	if err != nil {
		return nil, err
	}
	if item.CreatedBy == "" {
		return nil, refuse(http.StatusBadRequest, "key and dataChangeCreatedBy should not be null or empty")
	}
	return item, a.edit(r, func(ns *apolloNamespace) error {
		if ns.item(item.Key) >= 0 {
			return refuse(http.StatusBadRequest, "item already exists")
		}
		ns.Items = append(ns.Items, apolloItem{item.Key, *item.Value, item.CreatedBy})
		return nil
	})
}

func (a *Apollo) updateItem(r *http.Request) (any, error) {
	item, err := itemOf(r)
	if err != nil {
		return nil, err
	}
	switch {
	case item.ModifiedBy == "":
		return nil, refuse(http.StatusBadRequest, "key and dataChangeLastModifiedBy can not be empty")
	case item.Key != r.PathValue("key"):
		return nil, refuse(http.StatusBadRequest, "Key in path and payload is not consistent")
	}
	return noBody{}, a.edit(r, func(ns *apolloNamespace) error {
		at := ns.item(item.Key)
		switch {
		case at >= 0:
			ns.Items[at] = apolloItem{item.Key, *item.Value, item.ModifiedBy}
		case r.FormValue("createIfNotExists") == "true":
			ns.Items = append(ns.Items, apolloItem{item.Key, *item.Value, item.ModifiedBy})
		default:
			return refuse(http.StatusNotFound, "item not found for key: %s", item.Key)
		}
		return nil
	})
}

func (a *Apollo) deleteItem(r *http.Request) (any, error) {
	if r.FormValue("operator") == "" {
		return nil, refuse(http.StatusBadRequest, "user(operator) not exists")
	}
	return noBody{}, a.edit(r, func(ns *apolloNamespace) error {
		at := ns.item(r.PathValue("key"))
		if at < 0 {
			return refuse(http.StatusBadRequest, "item not exists")
		}
		ns.Items = append(ns.Items[:at:at], ns.Items[at+1:]...)
		return nil
	})
}

func (a *Apollo) getItem(r *http.Request) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ns, err := a.data.asked(r)
	if err != nil {
		return nil, err
	}
	at := ns.item(r.PathValue("key"))
	if at < 0 {
		return noBody{}, nil
	}
	return itemDocument(ns.Items[at]), nil
}

// itemOf reads an item from the body and holds it to Apollo's limits.
func itemOf(r *http.Request) (portalItem, error) {
	var item portalItem
	if err := json.NewDecoder(r.Body).Decode(&item); err != nil {
		return item, refuse(http.StatusBadRequest, "JSON parse error")
	}
	switch {
	case item.Key == "" || item.Value == nil:
		return item, refuse(http.StatusBadRequest, "key and value should not be null or empty")
	case utf8.RuneCountInString(item.Key) > apolloKeyLimit:
		return item, refuse(http.StatusBadRequest, "key too long. length limit:%d", apolloKeyLimit)
	case utf8.RuneCountInString(*item.Value) > apolloValueLimit:
		return item, refuse(http.StatusBadRequest, "value too long. length limit:%d", apolloValueLimit)
	}
	return item, nil
}

// edit changes the namespace of the request's path; readers see nothing of it
// before a release.
func (a *Apollo) edit(r *http.Request, edit func(*apolloNamespace) error) error {
	return a.change(func(data *apolloData) (string, error) {
		ns, err := data.asked(r)
		if err != nil {
			return "", err
		}
		return "", edit(ns)
	})
}

// asked is the namespace that the request's path names.
func (d *apolloData) asked(r *http.Request) (*apolloNamespace, error) {
	if ns := d.find(r.PathValue("app"), r.PathValue("cluster"), r.PathValue("namespace")); ns != nil {
		return ns, nil
	}
	return nil, refuse(http.StatusNotFound, "namespace not found for appId:%s clusterName:%s namespaceName:%s",
		r.PathValue("app"), r.PathValue("cluster"), r.PathValue("namespace"))
}

// releaseID is the release that the request's path names.
func releaseID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("release"), 10, 64)
	if err != nil {
		return 0, refuse(http.StatusBadRequest, "invalid release id")
	}
	return id, nil
}

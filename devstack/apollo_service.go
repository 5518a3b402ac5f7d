package devstack

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// routes is the whole HTTP face: config service first, portal behind it.
func (a *Apollo) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /configs/{app}/{cluster}/{namespace}", a.signed(a.configs))
	mux.HandleFunc("GET /configfiles/json/{app}/{cluster}/{namespace}", a.signed(a.configFile))
	mux.HandleFunc("GET /notifications/v2", a.signed(a.notifications))
	mux.HandleFunc("GET /services/config", a.services)
	a.portalRoutes(mux)
	return mux
}

// configs answers with the release in force, 304 when the client has it.
func (a *Apollo) configs(w http.ResponseWriter, r *http.Request) {
	ns, release := a.inForce(r)
	switch {
	case release == nil:
		notLoaded(w, r)
	case r.FormValue("releaseKey") == release.Key:
		w.WriteHeader(http.StatusNotModified)
	default:
		answerJSON(w, http.StatusOK, apolloAnswer{
			App: r.PathValue("app"), Cluster: ns.Cluster, Namespace: r.PathValue("namespace"),
			Items: release.Items, Key: release.Key,
		})
	}
}

// configFile answers with the bare items.
func (a *Apollo) configFile(w http.ResponseWriter, r *http.Request) {
	if _, release := a.inForce(r); release != nil {
		answerJSON(w, http.StatusOK, release.Items)
		return
	}
	notLoaded(w, r)
}

// apolloAnswer is the config service's answer.
type apolloAnswer struct {
	App       string            `json:"appId"`
	Cluster   string            `json:"cluster"`
	Namespace string            `json:"namespaceName"`
	Items     map[string]string `json:"configurations"`
	Key       string            `json:"releaseKey"`
}

// inForce finds what the request's path asks for; copies, so that nothing is
// read outside the lock.
func (a *Apollo) inForce(r *http.Request) (apolloNamespace, *apolloRelease) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ns := a.data.released(r.PathValue("app"), r.PathValue("cluster"), r.PathValue("namespace"))
	if ns == nil {
		return apolloNamespace{}, nil
	}
	release := *ns.latest()
	return *ns, &release
}

func notLoaded(w http.ResponseWriter, r *http.Request) {
	springError(w, r, http.StatusNotFound, fmt.Sprintf(
		"Could not load configurations with appId: %s, clusterName: %s, namespace: %s",
		r.PathValue("app"), r.PathValue("cluster"), r.PathValue("namespace")))
}

// services is the meta service: the list of config servers, which is this one.
func (a *Apollo) services(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, http.StatusOK, []map[string]string{{
		"appName": "APOLLO-CONFIGSERVICE", "instanceId": "ottogate:apollo-configservice:" + a.address,
		"homepageUrl": a.URL() + "/",
	}})
}

// skew is how far a signature's time may be off.
const skew = time.Minute

// signed lets requests for apps with a secret pass only with a signature:
// HMAC-SHA1 with the secret over time stamp, newline, path and query.
func (a *Apollo) signed(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		app := r.PathValue("app")
		if app == "" {
			app = r.FormValue("appId")
		}
		secret := a.config.Secrets[app]
		stamp := r.Header.Get("Timestamp")
		switch {
		case secret == "" || (fresh(stamp) && signatureHolds(r, secret, stamp)):
			next(w, r)
		case !fresh(stamp):
			springError(w, r, http.StatusUnauthorized, "RequestTimeTooSkewed")
		default:
			springError(w, r, http.StatusUnauthorized, "Unauthorized")
		}
	}
}

func fresh(stamp string) bool {
	ms, err := strconv.ParseInt(stamp, 10, 64)
	return err == nil && time.Since(time.UnixMilli(ms)).Abs() < skew
}

func signatureHolds(r *http.Request, secret, stamp string) bool {
	_, signature, _ := strings.Cut(r.Header.Get("Authorization"), ":")
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(stamp + "\n" + r.URL.RequestURI()))
	want := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return hmac.Equal([]byte(signature), []byte(want))
}

// springError is an error in the words of the framework under Apollo.
func springError(w http.ResponseWriter, r *http.Request, status int, message string) {
	answerJSON(w, status, map[string]any{
		"timestamp": time.Now().Format(apolloTime), "status": status,
		"error": http.StatusText(status), "message": message, "path": r.URL.Path,
	})
}

// apolloTime is how Apollo writes a moment.
const apolloTime = "2006-01-02T15:04:05.000-0700"

func answerJSON(w http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // the client may be gone
}

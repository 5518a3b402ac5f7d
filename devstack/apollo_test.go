package devstack

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func startApollo(t *testing.T, config ApolloConfig) *Apollo {
	t.Helper()
	config.Token = "token"
	apollo, err := StartApollo(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = apollo.Stop() })
	return apollo
}

// askApollo makes a call with the portal's token and gives status and body.
func askApollo(t *testing.T, method, target, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "token")
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

func TestApolloDemoIsSeeded(t *testing.T) {
	apollo := startApollo(t, ApolloConfig{Seed: ApolloDemo()})
	status, body := askApollo(t, "GET", apollo.URL()+"/configfiles/json/demo/default/application", "")
	if want := `{"feature.checkout":"true","greeting":"hello"}`; status != 200 || body != want {
		t.Errorf("%d %s, want %s", status, body, want)
	}
}

func TestApolloSurvivesARestart(t *testing.T) {
	config := ApolloConfig{DataFile: filepath.Join(t.TempDir(), "data", "apollo.json"), Seed: ApolloDemo()}
	first := startApollo(t, config)
	key, err := first.Release("demo", "default", "application", map[string]string{"greeting": "changed"})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	config.Listen = strings.TrimPrefix(first.URL(), "http://")
	second := startApollo(t, config)
	status, body := askApollo(t, "GET", second.URL()+"/configs/demo/default/application", "")
	if status != 200 || !strings.Contains(body, `"releaseKey":"`+key+`"`) || !strings.Contains(body, "changed") {
		t.Errorf("after the restart: %d %s", status, body)
	}
}

func TestApolloConfigs(t *testing.T) {
	apollo := startApollo(t, ApolloConfig{})
	key, err := apollo.Release("demo", "default", "x.json", map[string]string{"content": "{}"})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/configs/demo/default/x.json":                   {200, `{"appId":"demo","cluster":"default","namespaceName":"x.json","configurations":{"content":"{}"},"releaseKey":"` + key + `"}`},
		"/configs/demo/other/x.json":                     {200, `"cluster":"default"`},
		"/configs/demo/default/x.json?releaseKey=" + key: {304, ""},
		"/configs/demo/default/y":                        {404, `"status":404`},
		"/configs/other/default/x.json":                  {404, `"status":404`},
		"/configfiles/json/demo/default/y":               {404, `"status":404`},
		"/services/config":                               {200, `"homepageUrl":"` + apollo.URL() + `/"`},
		"/notifications/v2?appId=demo&cluster=default":   {400, `"status":400`},
	} {
		if status, body := askApollo(t, "GET", apollo.URL()+path, ""); status != want.status || !strings.Contains(body, want.body) {
			t.Errorf("%s: %d %s, want %d %s", path, status, body, want.status, want.body)
		}
	}
}

// notified asks for news of application with an id.
func notified(t *testing.T, apollo *Apollo, id int64) (int, []apolloNotification) {
	t.Helper()
	query := url.Values{"appId": {"demo"}, "cluster": {"default"}, "notifications": {`[{"namespaceName":"application","notificationId":` + strconv.FormatInt(id, 10) + `}]`}}
	status, body := askApollo(t, "GET", apollo.URL()+"/notifications/v2?"+query.Encode(), "")
	var news []apolloNotification
	if status == 200 {
		if err := json.Unmarshal([]byte(body), &news); err != nil || len(news) != 1 {
			t.Fatalf("news %s (%v)", body, err)
		}
	}
	return status, news
}

func TestApolloHoldsAPoll(t *testing.T) {
	apollo := startApollo(t, ApolloConfig{Seed: ApolloDemo(), Hold: 200 * time.Millisecond})
	_, news := notified(t, apollo, -1)
	known := news[0].ID
	if details := news[0].Messages.Details; details["demo+default+application"] != known {
		t.Errorf("messages %v, want the id %d", details, known)
	}
	begun := time.Now()
	if status, _ := notified(t, apollo, known); status != 304 || time.Since(begun) < 200*time.Millisecond {
		t.Errorf("without news: %d after %v", status, time.Since(begun))
	}
}

func TestApolloAnswersAWaitingPoll(t *testing.T) {
	apollo := startApollo(t, ApolloConfig{Seed: ApolloDemo()})
	_, news := notified(t, apollo, -1)
	go func() {
		time.Sleep(50 * time.Millisecond)
		_, _ = apollo.Release("demo", "default", "other", nil) // of no interest to the poll
		_, _ = apollo.Release("demo", "default", "application", nil)
	}()
	if status, later := notified(t, apollo, news[0].ID); status != 200 || later[0].ID <= news[0].ID+1 {
		t.Errorf("%d %+v after id %d", status, later, news[0].ID)
	}
}

func TestApolloRepeatsItselfAfterALateScan(t *testing.T) {
	apollo := startApollo(t, ApolloConfig{Scan: 100 * time.Millisecond})
	if _, err := apollo.Release("demo", "default", "application", nil); err != nil {
		t.Fatal(err)
	}
	_, news := notified(t, apollo, -1)
	if status, again := notified(t, apollo, news[0].ID); status != 200 || again[0].ID != news[0].ID {
		t.Errorf("%d %+v, want id %d again", status, again, news[0].ID)
	}
}

func TestApolloPortal(t *testing.T) {
	apollo := startApollo(t, ApolloConfig{Seed: ApolloDemo()})
	const ns = "/openapi/v1/envs/DEV/apps/demo/clusters/default/namespaces/application"
	for _, step := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", ns + "/items", `{"key":"k","value":"1","dataChangeCreatedBy":"apollo"}`, 200, `"key":"k"`},
		{"POST", ns + "/items", `{"key":"k","value":"1","dataChangeCreatedBy":"apollo"}`, 400, "already exists"},
		{"PUT", ns + "/items/k", `{"key":"k","value":"2","dataChangeLastModifiedBy":"apollo"}`, 200, ""},
		{"PUT", ns + "/items/new", `{"key":"new","value":"2","dataChangeLastModifiedBy":"apollo"}`, 404, "not found"},
		{"PUT", ns + "/items/k", `{"key":"j","value":"2","dataChangeLastModifiedBy":"apollo"}`, 400, "not consistent"},
		{"PUT", ns + "/items/k", `{"key":"k","value":"` + strings.Repeat("x", apolloValueLimit+1) + `","dataChangeLastModifiedBy":"apollo"}`, 400, "value too long"},
		{"DELETE", ns + "/items/greeting?operator=apollo", "", 200, ""},
		{"DELETE", ns + "/items/greeting?operator=apollo", "", 400, "not exists"},
		{"GET", ns + "/items/k", "", 200, `"value":"2"`},
		{"GET", ns, "", 200, `"namespaceName":"application"`},
		{"GET", ns + "x", "", 404, "not found"},
		{"GET", strings.Replace(ns, "DEV", "PRO", 1), "", 400, "invalid env"},
		{"POST", "/openapi/v1/apps/demo/appnamespaces", `{"name":"doc","format":"json","dataChangeCreatedBy":"apollo"}`, 200, `"name":"doc.json"`},
		{"GET", "/openapi/v1/envs/DEV/apps/demo/clusters/default/namespaces", "", 200, `"format":"json"`},
		{"POST", ns + "/releases", `{"releasedBy":"apollo"}`, 400, "releaseTitle"},
	} {
		if status, body := askApollo(t, step.method, apollo.PortalURL()+step.path, step.body); status != step.status || !strings.Contains(body, step.want) {
			t.Errorf("%s %s: %d %s, want %d %s", step.method, step.path, status, body, step.status, step.want)
		}
	}
}

func TestApolloRollsBackToTheEarlierKey(t *testing.T) {
	apollo := startApollo(t, ApolloConfig{Seed: ApolloDemo()})
	const ns = "/openapi/v1/envs/DEV/apps/demo/clusters/default/namespaces/application"
	_, before := askApollo(t, "GET", apollo.URL()+"/configs/demo/default/application", "")
	askApollo(t, "DELETE", apollo.PortalURL()+ns+"/items/greeting?operator=apollo", "")
	if _, unreleased := askApollo(t, "GET", apollo.URL()+"/configs/demo/default/application", ""); unreleased != before {
		t.Errorf("an edit without a release is read: %s", unreleased)
	}
	_, body := askApollo(t, "POST", apollo.PortalURL()+ns+"/releases", `{"releaseTitle":"r","releasedBy":"apollo"}`)
	var release portalRelease
	if err := json.Unmarshal([]byte(body), &release); err != nil || len(release.Items) != 1 {
		t.Fatalf("release %s (%v)", body, err)
	}
	status, body := askApollo(t, "PUT", apollo.PortalURL()+"/openapi/v1/envs/DEV/releases/"+strconv.FormatInt(release.ID, 10)+"/rollback?operator=apollo", "")
	if status != 200 || body != "" {
		t.Errorf("rollback: %d %s", status, body)
	}
	if _, after := askApollo(t, "GET", apollo.URL()+"/configs/demo/default/application", ""); after != before {
		t.Errorf("after the rollback %s, want %s", after, before)
	}
}

func TestApolloPortalRefusesAWrongToken(t *testing.T) {
	apollo := startApollo(t, ApolloConfig{Seed: ApolloDemo()})
	apollo.config.Token = "another"
	status, body := askApollo(t, "GET", apollo.PortalURL()+"/openapi/v1/envs/DEV/apps/demo/clusters/default/namespaces/application", "")
	if status != 401 || body != "" {
		t.Errorf("%d %q, want 401 without a body", status, body)
	}
}

func TestApolloWantsSignatures(t *testing.T) {
	apollo := startApollo(t, ApolloConfig{Seed: ApolloDemo(), Secrets: map[string]string{"demo": "secret"}})
	for _, path := range []string{"/configs/demo/default/application", "/configfiles/json/demo/default/application", "/notifications/v2?appId=demo"} {
		if status, _ := askApollo(t, "GET", apollo.URL()+path, ""); status != 401 {
			t.Errorf("%s unsigned: %d", path, status)
		}
	}
}

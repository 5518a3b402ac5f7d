package capture

import (
	"net/http"
	"strings"
	"testing"
)

func TestSecretParametersNeverReachTheFolder(t *testing.T) {
	recorder := start(t, Config{Share: 1, RedactHeaders: []string{"X-Ticket", "card_number"}})
	const canary = "canary-77b1"
	var query strings.Builder
	for _, name := range []string{
		"access_token", "token", "key", "api_key", "apikey", "password", "secret", "sig", "signature", "code",
		"ACCESS_TOKEN", "accessToken", "client-secret", "user[password]", "X-Amz-Signature", "X-Amz-Security-Token",
		"access%5Ftoken", "%74oken", "to+ken", "%zz", "jwt", "id_token", "refresh_token", "X-Api-Key", "authorization",
		"x-ticket", "ticket", "X_Ticket", "Card-Number", "cardNumber",
	} {
		query.WriteString("&" + name + "=" + canary)
	}
	query.WriteString("&a=1;token=" + canary + ";" + canary + "&token=a;b=" + canary + "=" + canary)
	recorder.Record(Exchange{
		Query:          "page=2" + query.String() + "&q=%2B%20x",
		Header:         http.Header{"Referer": {"https://portal/in?code=" + canary + "&page=3"}},
		ResponseHeader: http.Header{"location": {"/back?state=4#access_token=" + canary}, "Content-Location": {"/?sig=" + canary}},
	})
	finish(t, recorder)

	for _, text := range texts(t, recorder) {
		if at := strings.Index(text, canary); at >= 0 {
			t.Errorf("a secret is in the folder: %s", text[max(0, at-40):at])
		}
	}
	got := lines(t, recorder)[0]
	if !strings.HasPrefix(got.Query, "page=2&access_token=***&token=***&") || !strings.HasSuffix(got.Query, "&a=1;token=***&token=***&q=%2B%20x") {
		t.Errorf("the query became %s", got.Query)
	}
	if referer := got.Headers.Get("Referer"); referer != "https://portal/in?code=***&page=3" {
		t.Errorf("Referer became %s", referer)
	}
}

func TestHarmlessParametersStay(t *testing.T) {
	none := newParameters([]string{"authorization", "cookie", "x-api-key", "x-", " "})
	for _, query := range []string{
		"", "a", "&&", "=", "=x", "ttl=5s&prefix=a%2Fb&limit=10", "zipcode=10115&encode=1&pins=2", "keys=a,b", "a=b=c;d=e", "q=%zz", "é=1",
	} {
		if got := none.redact(query); got != query {
			t.Errorf("%q became %q", query, got)
		}
	}
}

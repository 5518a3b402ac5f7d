package apollo

import (
	"errors"
	"maps"
	"testing"

	"github.com/ottogate/ottogate/backends"
)

func TestOnlyPlausibleAnswersAreTaken(t *testing.T) {
	ref := backends.GroupRef{App: "demo", Group: "application", Cluster: "default"}
	base := &backends.Snapshot{Ref: ref, Version: "r1", Items: map[string]string{"a": "1"}}
	const head = `{"appId":"demo","cluster":"default","namespaceName":"application",`
	for name, test := range map[string]struct {
		body string
		base *backends.Snapshot
		want map[string]string
		err  error
	}{
		"full":                        {head + `"releaseKey":"r2","configurations":{"a":"2"}}`, base, map[string]string{"a": "2"}, nil},
		"full, all keys deleted":      {head + `"releaseKey":"r2","configurations":{}}`, base, map[string]string{}, nil},
		"the same release":            {head + `"releaseKey":"r1","configurations":{"a":"1"}}`, base, map[string]string{"a": "1"}, nil},
		"the same release, emptied":   {head + `"releaseKey":"r1","configurations":{}}`, base, nil, errGarbage},
		"truncated":                   {head + `"releaseKey":"r2","configurations":{"a":"2`, base, nil, errGarbage},
		"not JSON":                    {`<html>`, base, nil, errGarbage},
		"empty":                       {``, base, nil, errGarbage},
		"an empty object":             {`{}`, base, nil, errGarbage},
		"null":                        {`null`, nil, nil, errGarbage},
		"another app":                 {`{"appId":"x","namespaceName":"application","releaseKey":"r2","configurations":{}}`, base, nil, errGarbage},
		"another group":               {`{"appId":"demo","namespaceName":"x","releaseKey":"r2","configurations":{}}`, base, nil, errGarbage},
		"no release key":              {head + `"configurations":{"a":"2"}}`, base, nil, errGarbage},
		"no configurations":           {head + `"releaseKey":"r2"}`, base, nil, errGarbage},
		"changes against nothing":     {head + `"releaseKey":"r2","configSyncType":"IncrementalSync","configurationChanges":[{"key":"a","newValue":"1","configurationChangeType":"ADDED"}]}`, nil, map[string]string{"a": "1"}, nil},
		"a deletion against nothing":  {head + `"releaseKey":"r2","configSyncType":"IncrementalSync","configurationChanges":[{"key":"a","configurationChangeType":"DELETED"}]}`, nil, nil, errGarbage},
		"changes against our release": {head + `"releaseKey":"r2","configSyncType":"IncrementalSync","configurationChanges":[]}`, base, nil, errIncremental},
	} {
		snapshot, err := decodeConfig([]byte(test.body), ref, test.base)
		if !errors.Is(err, test.err) {
			t.Errorf("%s: error %v, want %v", name, err, test.err)
		} else if err == nil && !maps.Equal(snapshot.Items, test.want) {
			t.Errorf("%s: %v, want %v", name, snapshot.Items, test.want)
		}
	}
}

func TestOnlyApollosOwn404MeansAbsent(t *testing.T) {
	for body, want := range map[string]error{
		`{"timestamp":"x","status":404,"error":"Not Found","path":"/configs/a"}`: errAbsent,
		``:                      errForeignAbsent,
		`404 page not found`:    errForeignAbsent,
		`<html>404</html>`:      errForeignAbsent,
		`{"message":"no rule"}`: errForeignAbsent,
	} {
		if err := absence([]byte(body)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", body, err, want)
		}
	}
}

func TestNotificationsThatSayNothingAreRefused(t *testing.T) {
	for _, body := range []string{``, `[]`, `{}`, `[{"namespaceName":"a","notificationId":1}`, `<html>`} {
		if _, err := decodeNotifications([]byte(body)); !errors.Is(err, errGarbage) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

package conformance

import (
	"maps"
	"testing"
	"time"

	"github.com/apolloconfig/agollo/v4"
	"github.com/apolloconfig/agollo/v4/env/config"

	"github.com/ottogate/ottogate/backends"
)

// TestStockAgolloReadsTheSame holds the dev stack's Apollo to the protocol: a
// client that other people wrote reads the same values from it as ours, signed
// and unsigned, and sees a change.
func TestStockAgolloReadsTheSame(t *testing.T) {
	for name, secret := range map[string]string{"unsigned": "", "signed": "an-access-key-secret"} {
		t.Run(name, func(t *testing.T) {
			bed, _ := standIn(secret)(t)
			properties := bed.released(t, map[string]string{"greeting": "hello", "Key.Case": "kept", "text": "ü = \"x\""})
			document := bed.group(t, "json")
			bed.release(t, document, map[string]string{"content": `{"B": 9007199254740993}`})
			theirs := startAgollo(t, bed, properties.Group+","+document.Group)
			ours := bed.store(t)
			for _, ref := range []backends.GroupRef{properties, document} {
				want := readGroup(t, ours, ref).Items
				if got := agolloItems(theirs, ref.Group); !maps.Equal(got, want) {
					t.Errorf("%s: agollo reads %v, we read %v", ref.Group, got, want)
				}
			}
			bed.release(t, properties, map[string]string{"greeting": "hello again"})
			within(t, 10*time.Second, "agollo and we read the change", func() bool {
				want := readGroup(t, ours, properties).Items
				return want["greeting"] == "hello again" && maps.Equal(agolloItems(theirs, properties.Group), want)
			})
		})
	}
}

func startAgollo(t *testing.T, bed *configBed, groups string) agollo.Client {
	t.Helper()
	client, err := agollo.StartWithConfig(func() (*config.AppConfig, error) {
		return &config.AppConfig{
			AppID: bed.app, Cluster: "default", IP: bed.config, NamespaceName: groups, Secret: bed.secret,
			MustStart: true, SyncServerTimeout: 5,
		}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func agolloItems(client agollo.Client, group string) map[string]string {
	items := map[string]string{}
	client.GetConfigCache(group).Range(func(key, value any) bool {
		name, isName := key.(string)
		text, isText := value.(string)
		if isName && isText {
			items[name] = text
		}
		return true
	})
	return items
}

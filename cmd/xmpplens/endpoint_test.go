package main

import (
	"testing"

	"github.com/xmpplens/xmpplens/proxy"
)

func TestClientAddresses(t *testing.T) {
	for up, want := range map[string]string{
		"ws://h/ws":             "ws://127.0.0.1:1/ws, unix:/s",
		"wss://h/ws":            "ws://127.0.0.1:1/ws, unix:/s",
		"http://h/http-bind":    "http://127.0.0.1:1/http-bind, unix:/s",
		"https://h/http-bind?a": "http://127.0.0.1:1/http-bind?a, unix:/s",
		"h:5222":                "127.0.0.1:1, unix:/s",
	} {
		u, err := proxy.ParseUpstream(up)
		if err != nil {
			t.Fatal(err)
		}
		c := &proxyCmd{Listen: []string{"127.0.0.1:1", "unix:/s"}}
		if got := c.clientAddresses(&proxy.Proxy{Upstream: u}); got != want {
			t.Errorf("%s: %s, not %s", up, got, want)
		}
	}
}

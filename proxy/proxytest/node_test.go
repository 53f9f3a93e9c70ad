package proxytest

import (
	"strings"
	"testing"
)

func TestNode(t *testing.T) {
	out, err := Node(t, "", []byte("import { WebSocket } from 'ws'; import { client } from '@xmpp/client'; console.log(typeof WebSocket, typeof client, process.argv[2])"), []string{"ws", "@xmpp/client"}, "a b")
	if err != nil || strings.TrimSpace(out) != "function function a b" {
		t.Errorf("%v: %s", err, out)
	}
}

// Package recordings holds real recordings that the program and its tests play.
//
// demo.jsonl is a conversation between two slixmpp clients, romeo@montague.example
// and juliet@capulet.example, over a real Prosody, as the proxy recorded it.
package recordings

import _ "embed"

// Demo is the conversation that xmpplens demo plays.
//
//go:embed demo.jsonl
var Demo []byte

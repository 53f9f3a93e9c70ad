// Package web serves a timeline to the browser: a list of entries that is live
// while the recording grows, the details of one of them, and what can be done
// with both.
//
//	s := &web.Server{Source: index, Title: "capulet.example"}
//	fmt.Println(s.URL(ln.Addr()))
//	err := s.Serve(ctx, ln)
//
// # Who is let in
//
// It is a window into secrets, so it is shut to everybody else: the URL has a
// random token that becomes a cookie, Host and Origin are checked against
// rebound names and foreign pages, and text of the traffic reaches the page
// only as JSON strings, which it shows as text nodes. A program sends the token
// along: Authorization: Bearer TOKEN. What changes something must come from the
// viewer's own page (Origin) or bring the bearer token: the cookie alone is sent
// for whatever runs on another port of the host.
//
// # The control API
//
// All that the page shows and does can be had with curl. $V is the printed URL
// up to the question mark, $T the token behind it:
//
//	$ curl -H "Authorization: Bearer $T" "$V/api/status"
//	$ curl -H "Authorization: Bearer $T" "$V/api/entries?from=100&count=20"
//	$ curl -H "Authorization: Bearer $T" "$V/api/entries?filter=iq+and+slow+%3E+200ms&format=row"
//	$ curl -H "Authorization: Bearer $T" "$V/api/entry/132"
//	$ curl -H "Authorization: Bearer $T" "$V/api/search?q=wherefore"
//	$ curl -N -H "Authorization: Bearer $T" "$V/api/follow?filter=message"
//	$ curl -H "Authorization: Bearer $T" -d '{"n":132,"text":"here it begins"}' "$V/api/note"
//	$ curl -H "Authorization: Bearer $T" -d '{}' "$V/api/keep"
//	$ curl -H "Authorization: Bearer $T" -d '{"exact":false}' "$V/api/save"
//	$ curl -H "Authorization: Bearer $T" -F file=@bug.jsonl "$V/api/open"
//	$ curl -H "Authorization: Bearer $T" -d '{"a":"","b":"ID"}' "$V/api/compare"
//	$ curl -H "Authorization: Bearer $T" -d '{}' "$V/api/sessions"
//	$ curl -H "Authorization: Bearer $T" -d '{"expr":"message","on":true}' "$V/api/arm"
//	$ curl -H "Authorization: Bearer $T" -d '{}' "$V/api/held"
//	$ curl -H "Authorization: Bearer $T" -d '{"conn":1,"dir":"CS","offset":2210,"verdict":"drop"}' "$V/api/decide"
//	$ curl -H "Authorization: Bearer $T" -d '{"conn":1,"dir":"SC","xml":"<message><body>hi</body></message>"}' "$V/api/inject"
//	$ curl -H "Authorization: Bearer $T" -d '{"name":"lose","on":false}' "$V/api/rules"
//
// GET /api/status tells title, start (RFC 3339), total (entries), known (the
// first of them, whose facts are there: latencies, findings), reading (more of
// what is recorded comes), conns, done (nothing more comes), pages and trouble.
//
// GET /api/entries answers {total, next, done, entries}: up to count entries
// (100; 1000 at most) from entry number from on that match filter. It looks for
// two seconds at most: next says where to go on, and is behind total when there
// is nothing more yet; done says that there never will be. format is json, the
// object of xmpplens show --format=json, or row, what the list shows: n, t
// (seconds since start), conn, dir, kind, summary, size (bytes), latency
// (milliseconds) and more.
//
// GET /metrics is for Prometheus: connections by kind and state, entries, stanzas
// and bytes by direction, findings by code, latencies by the XEP of what was asked,
// trouble with the recording and the pages that are open. No label has an address
// or a namespace of the traffic in it.
//
// GET /api/search is the same for entries that have the text q in them, in any
// case. GET /api/entry/N is one entry. Secrets are masked unless the viewer shows
// them; filters and searches do not find them then. Answers that cannot change have an ETag, which If-None-Match spares.
//
// GET /api/follow are lines, one entry each, from number from on, or of those
// that come from now on. An entry comes when its facts are there. The answer ends
// with the recording, or when the asker goes.
//
// POST /api/save makes a file of the recording as it is now: names, texts and
// secrets are replaced unless exact is true; page makes one HTML page of what
// filter chooses instead, with secrets masked. Its answer are lines, {pass, bytes,
// said} while it goes on, said being that in words, then {url, name, size, said} of
// what can be had with GET for ten minutes, or {error, hint}. Nothing is held in
// memory.
//
// POST /api/open takes the files of a recording as a form: one, those of a set
// together, or a capture or log that is imported, with its key log if there is
// one. It answers {rec, url, title, said}: ?rec=ID makes any other request one
// about that recording, and url is its page. It is gone ten minutes after nobody
// has looked at it. POST /api/compare answers the same of the comparison of two
// recordings, by their ids, "" being that which the viewer shows first.
//
// POST /api/OP does what the page does with the operation OP (see below); the
// body is the request without op, and an object even when it is empty.
//
// An error is {error, hint} with the status 400 (the request is wrong), 401, 403
// (who are you), 404, 413 (too large), 422 (it cannot be done), 503 (too much at
// once, see maxPages, maxRequests, maxShelved) or 507 (the disk is full). Who is
// slower than slowest with a request, or stops taking its answer, is cut off.
//
// # The socket
//
// A page has a WebSocket at /live (or /live?rec=ID) and says what it wants as
// JSON objects, with the field op; each is answered by one, with the field op.
// The server pushes by itself hello (what can be done here, and which kinds of entries there are), status (counts: len
// of the list, total, known, looked, which filter the list is of, counts of
// classes, what is armed, in words, and how many frames are held) when they have changed, every 50 ms at most or every 400 ms where more
// comes than can be read, and beat, a sign of life, every five seconds. Everything
// else is pulled. Nothing is queued for a page: one that is slow gets the newest
// counts when it has taken the last ones, and one that takes nothing for ten
// seconds is cut off. Messages of a KiB and more are compressed: a window of 100 rows,
// 18 kB, becomes 3 kB in 70 µs, a status hardly less (BenchmarkCompression).
//
// Operations, with what is asked and answered; n is the number of an entry from
// 1, at its place in the list:
//
//	rows     from, count        rows of the list, 500 at most; filter is the list they are of, known as in status; with draw, what the page shows of them
//	entry    n or at            the details of an entry; with as, what the page shows of it, with the first piece
//	piece    n, as, off, node   a part of a frame as pretty, raw, hex or tree: tokens, groups or node, next, total (bytes); with draw, what the page shows
//	copy     n, as              an entry as xml, or as a test in go, python or js: text, said
//	filter   expr               the list is that of the expression from now on; or error, hint, column, echo (what the page shows of the mistake)
//	complete field, part, seq   values of a field that have a part in them, 50 at most; more = asked again, there may be more; with draw, text, rest and past what the page shows at the caret
//	values   n or at            what an entry has to filter by: fields and values; with draw and filter, or for a field and a value, the menu that the page shows
//	refine   filter, how, field, value   a filter with a value added to it, how = only, not or or: expr
//	hide     classes            classes of entries that the list leaves out
//	clear    n                  the list starts behind entry n; -1: behind the last; 0: at the beginning
//	place    n, by, seq         where an entry is in the list: n, at, exact, says (in words); by ±1: the next of its connection
//	ladder   from, count        beside those rows: lanes of the connections, pairs of requests and answers, phases; with draw, what the page shows
//	follow   n                  the way of the message that entry n is of: stages, lanes; with draw, text
//	search   text, at, by, most, seq   places of the list whose entries have the text in them, from place at on (by = -1: backwards), up to most: hits, next (go on there; 0 = that was the end), filter, len
//	head     at, n, t, to, by, place, zone   where the playhead is, or what a person wrote (place: 12:03:04.5, +90, #120): n, at, t, next (seconds), length
//	overview version, by, down, from, to   connections by a column, traffic of a range of seconds, latencies (ns) and findings; same = as with that version; with draw (pixels), what the page shows
//	density                     how much was when: length, width (seconds), cs, sc, warnings, errors, notes; with draw (pixels), what the page shows
//	note     n, text            notes something on an entry, or at the end
//	keep                        keeps what the ring holds: file
//	beat                        is answered by beat: somebody is there
//	sessions                    connections that are open: conn, client, server, cs and sc (why nothing can be injected in that direction; "" = it can), held
//	held                        frames that are held: conn, dir, offset, by, behind and size (bytes), until (it passes by itself, Unix time in milliseconds), xml (empty when it is longer than 160 KiB), masked
//	decide   conn, dir, offset, verdict, xml, seconds, all, by, dry   what becomes of one: verdict is pass, edit and answer (with xml), drop, delay (for seconds) or hold (for seconds from now on, before it passes by itself); all = those behind it, too
//	inject   conn, dir, xml, swallow, by, dry   puts elements into a session; swallow = the answer to an iq does not reach the other side
//	arm      expr, on           sets a breakpoint, which holds what matches, or takes it away and lets pass what it holds (expr empty: all of them): armed, held, breakpoints
//	rules    name, on           switches a rule; without a name only lists them: rules
//
//	desk                        the view of all this, drawn: held, armed, targets
//	check    conn, dir, xml, verdict, offset, before, seq   whether something can be sent, and the XML in colour: drawn, error, hint; words that may stand behind before
//	templates conn, dir         common stanzas for a connection: options
//
// The last nine are about sessions that go on, where hello says live. A field that has
// the wrong type is an error there, and what is refused is so with its reason; with dry nothing is done, but it is said whether it would be. What is
// held passes by itself after the time of --hold-limit.
//
// # Another operation
//
// An operation is a method of page that takes a request and returns what is sent
// as JSON, in a file of its own, with a line in the map of operations. That makes
// it one of the socket and of POST /api/OP: there its page has a list without a
// filter and no socket. What it asks for beyond n and at it reads with
// request.into; when it fails it answers with the fields error and hint. It is
// short, because pages take turns (inTurn); one that waits for something else than
// the processor has a line in patient, too. What the Server needs for it, an
// interface of a method or two, is a field of Server that may be nil, and hello
// tells pages whether it is there.
package web

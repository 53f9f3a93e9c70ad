package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/xmpplens/xmpplens/record"
)

// town records servers that talk with each other and with clients, and requests
// whose answers wait for each other; every entry a millisecond behind the last one.
func town(t testing.TB, clients, requests int) *record.Reader {
	t.Helper()
	path := filepath.Join(t.TempDir(), "town.jsonl")
	now := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	log, err := record.Create(path, record.Options{Now: func() time.Time {
		now = now.Add(time.Millisecond)
		return now
	}})
	if err != nil {
		t.Fatal(err)
	}
	add := func(conn int, d record.Dir, text string) {
		log.Append(record.Event{C: conn, E: record.EventData, D: d, Data: []byte(text), HasData: true})
	}
	stream := func(conn int, ns, from, to string) {
		kind := map[string]string{"jabber:client": "c2s", "jabber:server": "s2s"}[ns]
		log.Append(record.Event{C: conn, E: record.EventOpen, Kind: kind, Client: fmt.Sprintf("192.0.2.1:%d", 4000+conn), Server: to})
		add(conn, record.CS, fmt.Sprintf("<stream:stream xmlns='%s' xmlns:stream='http://etherx.jabber.org/streams' from='%s' to='%s' version='1.0'>", ns, from, to))
		add(conn, record.SC, fmt.Sprintf("<stream:stream xmlns='%s' xmlns:stream='http://etherx.jabber.org/streams' from='%s' to='%s' version='1.0'>", ns, to, from))
	}
	stream(1, "jabber:server", "montague.example", "capulet.example")
	add(1, record.CS, "<message from='romeo@montague.example' to='juliet@capulet.example'><body>שלום</body></message>")
	stream(2, "jabber:server", "capulet.example", "montague.example")
	add(2, record.CS, "<message from='juliet@capulet.example' to='romeo@montague.example'><body>\u202enevis</body></message>")
	log.Append(record.Event{C: 2, E: record.EventNote, By: record.ByUser, Text: "שלום, this is seen from the right"})
	for c := range clients {
		conn := c + 3
		stream(conn, "jabber:client", "", []string{"montague.example", "capulet.example"}[c%2])
		add(conn, record.CS, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
		add(conn, record.SC, fmt.Sprintf("<iq type='result' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>guest%d@%s/%s</jid></bind></iq>", c, []string{"montague.example", "capulet.example"}[c%2], strings.Repeat("balcony", c)))
	}
	for i := range requests {
		conn := i%max(clients, 1) + 3
		add(conn, record.CS, fmt.Sprintf("<iq type='get' id='r%d' to='%s.example'><query xmlns='jabber:iq:version'/></iq>", i, strings.Repeat("long", 40)))
		if i%5 == 4 { // the answers to the last ones
			for j := i - 4; j <= i; j++ {
				add(j%max(clients, 1)+3, record.SC, fmt.Sprintf("<iq type='result' id='r%d' from='%s.example'><query xmlns='jabber:iq:version'/></iq>", j, strings.Repeat("long", 40)))
			}
		}
	}
	if err := errors.Join(log.Err(), log.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// astray are the rows on the screen whose arrow is not between the lanes that are
// said to those who do not see it, or points elsewhere.
const astray = `[...document.querySelectorAll(".row:is(.CS, .SC)")].filter((row) => {
	const x = (name) => {
		const r = [...document.querySelectorAll(".lanename")].find((l) => l.firstChild.title.startsWith(name + ", connection")).getBoundingClientRect();
		return (r.left + r.right) / 2;
	};
	const [, from, to] = row.ariaLabel.match(/^\S+ (.+?) to (.+?): /), arrow = row.querySelector(".arrow"), box = arrow.getBoundingClientRect();
	const ahead = parseFloat(getComputedStyle(arrow).scale);
	return Math.abs(box.left - Math.min(x(from), x(to))) > 2 || Math.abs(box.right - Math.max(x(from), x(to))) > 2 || ahead !== Math.sign(x(to) - x(from));
}).map((row) => row.ariaLabel.slice(0, 120)).slice(0, 3).join("\n")`

func TestLadderLanes(t *testing.T) {
	ctx := browser(t)
	url := pages(t, town(t, 12, 100))
	check := func(what string) {
		t.Helper()
		do(t, ctx, until(`!document.querySelector(".row.loading") && document.querySelectorAll(".row .arrow").length > 5`))
		if rows := get(t, ctx, chromedp.Evaluate[string](astray)); rows != "" {
			t.Errorf("%s: arrows are not where they are said to be:\n%s", what, rows)
		}
		// How long an answer took is seen, however long the rest is.
		if cut := get(t, ctx, chromedp.Evaluate[int](`[...document.querySelectorAll(".latency")].filter((e) => e.getBoundingClientRect().right > e.parentNode.getBoundingClientRect().right + 1 || e.offsetWidth < 20).length`)); cut != 0 {
			t.Errorf("%s: %d latencies are cut off", what, cut)
		}
		// What was said is on the screen, even if its arrow is not.
		if off := get(t, ctx, chromedp.Evaluate[int](`(() => {
			const box = document.querySelector("#list").getBoundingClientRect(), left = document.querySelector(".row .time").getBoundingClientRect().right;
			return [...document.querySelectorAll(".row .text")].filter((e) => e.getBoundingClientRect().left < left - 1 || e.getBoundingClientRect().right > box.right + 1).length;
		})()`)); off != 0 {
			t.Errorf("%s: %d texts are off the screen", what, off)
		}
		if wide := get(t, ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth`)); wide {
			t.Errorf("%s: the page is too wide", what)
		}
	}
	goes := func(n int) {
		do(t, ctx, run(`document.querySelector("#list").focus()`), press(":", false), until(goingTo), run(fmt.Sprintf(`document.querySelector("#gotoplace").value = "%d"; 0`, n)), chromedp.KeyEvent(kb.Enter), until(fmt.Sprintf(`%s === "%d"`, chosenAt, n)),
			run(`document.querySelector("#close").click()`))
	}
	for _, width := range []int64{1280, 420} {
		do(t, ctx, chromedp.EmulateViewport(width, 800), chromedp.Navigate(url), until(`document.querySelectorAll(".row:not(.loading)").length > 5`), run(`document.querySelector("#tab-ladder").click()`), until(arrows+` > 5`))
		goes(1)
		check("servers")
		screen(t, ctx, fmt.Sprintf("ladder-servers-%d", width))
		// The proxy is not between two servers that a client talks with: its mark is in the middle of the arrow.
		do(t, ctx, until(`document.querySelectorAll(".row.SC .arrow").length && [...document.querySelectorAll(".lanename > :first-child")].map(e => e.textContent).join(" ").endsWith("proxy capulet.example montague.example")`),
			until(`[...document.querySelectorAll(".row bdi")].some(e => e.textContent.startsWith("שלום") && getComputedStyle(e).direction === "rtl")`))
		goes(150)
		check("requests")
		do(t, ctx, until(`document.querySelectorAll(".pair").length > 10 && document.querySelectorAll(".latency").length > 2`))
		if n := get(t, ctx, chromedp.Evaluate[int](`document.querySelectorAll(".lanename").length`)); n != 15 {
			t.Errorf("%d lanes", n)
		}
		screen(t, ctx, fmt.Sprintf("ladder-requests-%d", width))
		// To the right the last lane is whole, and the times stay.
		do(t, ctx, run(`document.querySelector("#list").scrollLeft = 99999; 0`), until(`document.querySelector("#list").scrollLeft > 100`))
		check("to the right")
		if whole := get(t, ctx, chromedp.Evaluate[bool](`(() => {
			const box = document.querySelector("#list").getBoundingClientRect(), last = [...document.querySelectorAll(".lanename > :first-child")].at(-1).getBoundingClientRect(), time = document.querySelector(".row .time").getBoundingClientRect();
			return last.right <= box.right && last.left > box.left && Math.abs(time.left - box.left) < 2;
		})()`)); !whole {
			t.Error("to the right the last lane is not whole")
		}
		screen(t, ctx, fmt.Sprintf("ladder-right-%d", width))
	}
	// A lane is kept where nobody of it says something, and hidden; the keyboard stays.
	kept := `[...document.querySelectorAll(".lanename [aria-pressed=true]")].map(e => e.textContent).join()`
	do(t, ctx, chromedp.EmulateViewport(1280, 800), run(`document.querySelector("#list").scrollLeft = 0; [...document.querySelectorAll(".lanename button")].find(e => e.textContent.startsWith("guest1/")).focus()`), chromedp.KeyEvent(kb.Enter),
		until(kept+` === "guest1/balcony,capulet.example" && document.activeElement.textContent === "guest1/balcony"`),
		run(`document.querySelector("#filter").value = "conn == 5"; document.querySelector("#filter").dispatchEvent(new Event("input")); 0`), until(`document.querySelector("#counts").textContent.includes(" of ")`),
		until(`[...document.querySelectorAll(".lanename > :first-child")].map(e => e.textContent.slice(0, 6)).join(" ") === "guest1 guest2 proxy capule montag"`))
	check("kept")
	do(t, ctx, run(`[...document.querySelectorAll(".lanename button")].find(e => e.textContent.startsWith("guest1/")).click()`), until(`document.querySelectorAll(".lanename").length === 3`))
	check("no longer kept")
}

// Five lanes have room on a telephone.
func TestLadderOnTelephone(t *testing.T) {
	ctx := browser(t)
	r := demoReader(t)
	do(t, ctx, chromedp.EmulateViewport(420, 800), chromedp.Navigate(pages(t, r)+"#view=ladder"), until(arrows+` > 5 && document.querySelectorAll(".lanename").length === 5`))
	if wide := get(t, ctx, chromedp.Evaluate[int](`document.querySelector("#list").scrollWidth - document.querySelector("#list").clientWidth`)); wide > 0 {
		t.Errorf("the ladder is %d pixels too wide", wide)
	}
}

// What was held, changed or put in is between an end and the proxy, or says so there;
// and nothing that is said becomes markup.
func TestLadderChanges(t *testing.T) {
	ctx := browser(t)
	log, _, url := show(t)
	evil := "<img src=x onerror=window.evil=1> \u202e javascript:evil()"
	log.Append(record.Event{C: 1, E: record.EventOpen, Kind: "c2s", Client: evil, Server: "capulet.example" + strings.Repeat("e", 50_000)})
	at := map[record.Dir]int64{}
	add := func(d record.Dir, text, verdict string) {
		ev := record.Event{C: 1, E: record.EventHold, D: d, O: at[d], N: int64(len(text)), By: evil}
		if verdict != "" {
			log.Append(ev)
		}
		say(log, d, text)
		if ev.E, ev.Verdict = record.EventVerdict, verdict; verdict == "edited" {
			ev.Data, ev.HasData = []byte("<message><body>new</body></message>"), true
		}
		if verdict != "" {
			log.Append(ev)
		}
		at[d] += int64(len(text))
	}
	add(record.CS, header, "")
	add(record.SC, header, "")
	for _, d := range []record.Dir{record.CS, record.SC} {
		for _, verdict := range []string{"dropped", "edited", "<i>evil.x"} {
			add(d, "<message><body>"+strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(evil)+" "+verdict[1:]+"</body></message>", verdict)
		}
		log.Append(record.Event{C: 1, E: record.EventInject, D: d, O: at[d], Data: []byte("<message><body>" + string(d) + "</body></message>"), HasData: true, By: evil})
	}
	add(record.CS, "<presence/>", "")
	add(record.SC, "<presence/>", "")
	do(t, ctx, chromedp.Navigate(url+"#view=ladder"), until(`!document.querySelector(".row.loading") && document.querySelectorAll(".row .tag").length === 8`))
	screen(t, ctx, "ladder-changes")
	// Of each arrow: where it goes from and to, and where the proxy is.
	got := get(t, ctx, chromedp.Evaluate[string](`[...document.querySelectorAll(".row:has(.tag)")].map((row) => {
		const x = [...document.querySelectorAll(".lanename")].map((l) => l.getBoundingClientRect()).map((r) => (r.left + r.right) / 2), box = row.querySelector(".arrow").getBoundingClientRect();
		const lane = (px) => x.findIndex((l) => Math.abs(l - px) < 2), ends = [lane(box.left), lane(box.right)];
		return row.querySelector(".tag").textContent + " " + (row.matches(".SC") ? ends.reverse() : ends).join("→");
	}).join("\n")`))
	want := "✕ dropped 0→1\nedited 0→2\n<i>evil.x 0→2\ninjected 1→2\n✕ dropped 2→1\nedited 2→0\n<i>evil.x 2→0\ninjected 1→0"
	if got != want {
		t.Errorf("arrows\n%s, want\n%s", got, want)
	}
	if is := get(t, ctx, chromedp.Evaluate[bool](`!!window.evil || !!document.querySelector("#list :is(img, i:not(.band, .arrow, .pair, .grip))")`)); is {
		t.Error("what was said became markup")
	}
	if name := get(t, ctx, chromedp.Evaluate[int](`document.querySelector("#list").innerHTML.length`)); name > 60_000 {
		t.Errorf("the list has %d letters", name)
	}
}

// asks are the requests for the ladder since the page counts them, with countAsks.
const asks = `performance.getEntriesByType("mark").length`

var countAsks = command("Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": `{
	const send = WebSocket.prototype.send;
	WebSocket.prototype.send = function (text) { if (text.includes('"ladder"')) performance.mark("ladder"); return send.call(this, text); };
}`})

// What comes is drawn, a bracket begins when there is an answer, and many entries are
// no reason to ask as often.
func TestLadderIsLive(t *testing.T) {
	ctx := browser(t)
	log, _, url := show(t)
	log.Append(record.Event{C: 1, E: record.EventOpen, Kind: "c2s", Client: "192.0.2.1:4001", Server: "capulet.example"})
	say(log, record.CS, header+"<iq type='get' id='1'><query xmlns='jabber:iq:version'/></iq>")
	last := `[...document.querySelectorAll(".row:not(.loading)")].at(-1)`
	do(t, ctx, countAsks, chromedp.Navigate(url+"#view=ladder"), until(last+`?.querySelector("bdi").textContent.includes("iq get version") && `+arrows+` === 3 && !document.querySelector(".pair")`))
	say(log, record.SC, header+"<iq type='result' id='1'><query xmlns='jabber:iq:version'/></iq>")
	do(t, ctx, until(`document.querySelectorAll(".pair").length === 3 && `+last+`.querySelector(".pair.ends")`))
	before, began := get(t, ctx, chromedp.Evaluate[int](asks)), time.Now()
	for i := range 150 {
		say(log, record.SC, strings.Repeat(fmt.Sprintf("<message><body>number %d</body></message>", i), 10))
		do(t, ctx, until(fmt.Sprintf(`[...document.querySelectorAll(".row bdi")].some(e => /number \d+/.test(e.textContent) && e.textContent.match(/number (\d+)/)[1] >= %d)`, i-20)))
	}
	do(t, ctx, until(last+`.querySelector("bdi").textContent.includes("number 149") && `+last+`.querySelector(".arrow")`))
	took, asked := time.Since(began), get(t, ctx, chromedp.Evaluate[int](asks))-before
	t.Logf("%d requests in %.1f s", asked, took.Seconds())
	// Of 15 pages one for each, and of the last one as often as it may.
	if most := 2*15 + int(took.Seconds()*25) + 5; asked > most {
		t.Errorf("%d requests in %.1f s", asked, took.Seconds())
	}
}

// In the middle of very many entries there is a ladder as at once as in ten, and the
// page asks for what is on the screen, and no more.
func TestLadderOfMany(t *testing.T) {
	ctx := browser(t)
	url := pages(t, town(t, 12, 150_000))
	do(t, ctx, countAsks, chromedp.Navigate(url+"#view=ladder"), until(arrows+` > 5`))
	for _, n := range []int{150_000, 2, 299_000, 75_000} {
		before := get(t, ctx, chromedp.Evaluate[int](asks))
		began := time.Now()
		do(t, ctx, run(`document.querySelector("#list").focus()`), press(":", false), until(goingTo), run(fmt.Sprintf(`document.querySelector("#gotoplace").value = "%d"; 0`, n)), chromedp.KeyEvent(kb.Enter),
			until(fmt.Sprintf(`%s === "%d" && !document.querySelector(".row.loading") && document.querySelector(".row .pair, .row.about")`, chosenAt, n)))
		t.Logf("entry %d after %.0f ms", n, time.Since(began).Seconds()*1000)
		if asked := get(t, ctx, chromedp.Evaluate[int](asks)) - before; asked > 3 {
			t.Errorf("entry %d: %d requests for the ladder", n, asked)
		}
		if rows := get(t, ctx, chromedp.Evaluate[string](astray)); rows != "" {
			t.Errorf("entry %d: arrows are not where they are said to be:\n%s", n, rows)
		}
	}
}

// BenchmarkLadder is the work for one request: it does not depend on how long the
// recording is.
func BenchmarkLadder(b *testing.B) {
	for _, many := range []int{1_000, 150_000} {
		x := indexOf(b, town(b, 12, many))
		p := &page{server: &Server{Source: x}, source: x, chosen: newChoice()}
		for name, draw := range map[string]string{"told": "", "drawn": `,"draw":{"screen":30}`, "filtered": `,"draw":{"screen":30}`} {
			p.chosen.set(map[string]string{"filtered": "conn == 5"}[name])
			for p.chosen.look(x, x.Status()).more {
			}
			length, _ := p.chosen.extent(x)
			b.Run(fmt.Sprintf("%d/%s", x.Status().Len, name), func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					q := request{whole: fmt.Appendf(nil, `{"from":%d,"count":100%s}`, 1+i*7919%max(1, length-300), draw)}
					bytes, err := json.Marshal(p.ladder(q))
					if err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(float64(len(bytes)), "B/answer")
				}
			})
		}
	}
}

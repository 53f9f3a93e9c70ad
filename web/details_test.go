package web

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

const evil = `&lt;img src=x onerror=window.hit=1&gt;&lt;script&gt;window.hit=1&lt;/script&gt;`

// hostile has text that would like to be markup wherever text can be: names,
// attributes, namespaces, ids, addresses, bodies, errors, SASL data, JSON, forms.
var hostile = []string{
	`<message type='` + evil + `' id='` + evil + `' from='` + evil + `@x/y' to='` + evil + `' xml:lang='` + evil + `' xmlns:e='` + evil + `' e:a='` + evil + `' constructor='1'><body>` + evil + "\u202e\u2066 \u05e9\u05dc\u05d5\u05dd \U0001F469\u200D\U0001F4BB</body>" +
		`<x xmlns='constructor'>1</x><x xmlns='__proto__'>1</x><` + "\u00fcber.script" + ` xmlns='` + evil + `'>{"a":"` + evil + `","b":[1,2]}</` + "\u00fcber.script" + `><thread>PGltZyBzcmM9eCBvbmVycm9yPXdpbmRvdy5oaXQ9MT48c2NyaXB0Pg==</thread></message>`,
	`<iq type='error' id='1' from='` + evil + `'><error type='` + evil + `' by='` + evil + `' code='` + evil + `'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>` + evil + `</gone><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>` + evil + `</text></error></iq>`,
	`<iq type='result' id='2'><x xmlns='jabber:x:data' type='` + evil + `'><title>` + evil + `</title><instructions>` + evil + `</instructions><field var='` + evil + `' label='` + evil + `' type='` + evil + `'><value>` + evil + `</value><option label='` + evil + `'><value>` + evil + `</value></option></field><item><field var='` + evil + `'><value>` + evil + `</value></field></item></x></iq>`,
	`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='` + evil + `'>biwsbj08aW1nIHNyYz14IG9uZXJyb3I9d2luZG93LmhpdD0xPixyPTxzY3JpcHQ+</auth>`,
	`<vCard xmlns='vcard-temp'><PHOTO><TYPE>` + evil + `</TYPE><BINVAL>iVBORw0KGgoAAAANSUhEUgAAAGAAAABACAIAAABqf2dpAAAAAElFTkSuQmCC</BINVAL></PHOTO></vCard>`,
	"<script xmlns='http://www.w3.org/1999/xhtml'>window.hit=1</script>",
	"\x01\x02<junk & \xff\xfe",
}

// Every tab shows hostile text as text: no element is made of it.
func TestDetailsOfHostileEntries(t *testing.T) {
	ctx := browser(t)
	log, s, url := show(t)
	say(log, record.CS, header+strings.Join(hostile, ""))
	at := s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known >= len(hostile)+1 })
	do(t, ctx, chromedp.Navigate(url), until(`document.querySelectorAll(".row:not(.loading)").length > 5`))
	for n := 2; n <= at.Len; n++ {
		do(t, ctx, run(fmt.Sprintf(`location.hash = "entry=%d"; 0`, n)), openEntry(n))
		for key, way := range []string{"pretty", "raw", "tree", "hex"} {
			do(t, ctx, tab(key+1), until(fmt.Sprintf(`document.querySelector("#way-%s").getAttribute("aria-selected") === "true" && document.querySelector("#way").textContent`, way)))
			bad := get(t, ctx, chromedp.Evaluate[string](`[window.hit, ...[...document.querySelectorAll("#details img, #details script, #details [onerror], #details iframe, #details object")].map((e) => e.outerHTML)].filter(Boolean).join()`))
			if bad != "" {
				t.Errorf("entry %d, %s: came alive: %s", n, way, bad)
			}
			if n == 2 && way != "hex" {
				text := get(t, ctx, chromedp.Evaluate[string](`document.querySelector("#way").textContent`))
				if !strings.Contains(text, "onerror=window.hit=1") || strings.Contains(text, "\u202e") {
					t.Errorf("entry %d, %s shows\n%s", n, way, text)
				}
			}
		}
		// Each name that has a meaning can be pointed at.
		do(t, ctx, tab(1), until(`document.querySelector("#way pre")`),
			run(`document.querySelectorAll("#way [data-why]").forEach((e) => e.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }))); 0`),
			until(`!window.hit && !document.querySelector("#meaning img, #meaning script")`))
	}
}

// openEntry waits for the details of an entry.
func openEntry(n int) action {
	return until(fmt.Sprintf(`!document.querySelector("#details").hidden && document.querySelector("#heading").textContent.startsWith("#%d ")`, n))
}

// tab presses the key of a tab.
func tab(n int) action { return chromedp.KeyEvent(fmt.Sprint(n)) }

const way = `document.querySelector("#way").textContent`

func TestDetails(t *testing.T) {
	ctx := browser(t)
	log, s, url := show(t)
	say(log, record.CS, header+"<iq type='get' id='r1' to='capulet.example'><query xmlns='jabber:iq:roster' ver='v7'/></iq>")
	say(log, record.SC, header+"<iq type='result' id='r1' from='capulet.example'><query xmlns='jabber:iq:roster'><item jid='nurse@capulet.example' subscription='both'>\n\t</item></query></iq>")
	say(log, record.CS, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</auth>")
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known >= 5 })
	do(t, ctx, chromedp.Navigate(url+"#entry=2"), openEntry(2), until(way+`.includes("jabber:iq:roster")`),
		// Facts: the answer is one key away, and back again.
		until(`document.querySelector("#facts").textContent.match(/answered by.*#4.* later: /)`),
		chromedp.KeyEvent("a"), openEntry(4), chromedp.KeyEvent("a"), openEntry(2), chromedp.KeyEvent("b"), openEntry(4),
		run(`document.querySelector("#back").click()`), openEntry(2), run(`document.querySelector("#forth").click()`), openEntry(4),
		// Raw: white space is seen.
		tab(2), until(way+`.includes("'both'>␊\n␉\t</item>")`),
		// The tree, by keys.
		tab(3), until(`document.querySelectorAll("[role=treeitem]").length === 3`),
		run(`document.querySelector("[role=treeitem]").focus()`), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowDown),
		until(`document.activeElement.getAttribute("aria-level") === "3" && document.activeElement.textContent.includes("nurse")`),
		chromedp.KeyEvent(kb.ArrowLeft), until(`document.activeElement.getAttribute("aria-level") === "2"`),
		chromedp.KeyEvent(kb.ArrowLeft), until(`document.activeElement.getAttribute("aria-expanded") === "false"`),
		chromedp.KeyEvent(kb.ArrowRight), until(`document.activeElement.getAttribute("aria-expanded") === "true"`),
		// Hex.
		tab(4), until(way+`.startsWith("00000000  3c 69 71 20 74 79 70 65")`), until(way+`.includes("<iq type='result")`),
		// Arrows move between the tabs.
		run(`document.querySelector("#way-hex").focus()`), chromedp.KeyEvent(kb.ArrowRight), until(`document.activeElement.id === "way-pretty"`),
		chromedp.KeyEvent(kb.ArrowLeft), until(`document.activeElement.id === "way-hex"`), chromedp.KeyEvent(kb.Home), until(`document.activeElement.id === "way-pretty"`),
		// What names mean, by focus; Esc closes only that.
		until(`document.querySelector("#way [data-why]")`), run(`document.querySelector("#way").focus()`), chromedp.KeyEvent(kb.ArrowRight),
		until(`document.querySelector("#meaning:popover-open")?.textContent.includes("RFC 6120 §8.2.3")`),
		// What scrolls elsewhere leaves them alone, and the focus keeps them.
		run(`for (const id of ["list", "body"]) document.getElementById(id).dispatchEvent(new Event("scroll")); 0`),
		until(`document.activeElement.getAttribute("aria-describedby") === "meaning" && document.querySelector("#meaning a").href === "https://www.rfc-editor.org/rfc/rfc6120#section-8.2.3"`),
		chromedp.KeyEvent(kb.Escape), until(`!document.querySelector("#meaning")`), until(`!document.querySelector("#details").hidden`),
		// And by the pointer.
		run(`[...document.querySelectorAll("#way [data-why]")].find((e) => e.textContent.includes("iq:roster")).dispatchEvent(new PointerEvent("pointerover", { bubbles: true })); 0`),
		until(`document.querySelector("#meaning:popover-open")?.textContent.includes("RFC 6121")`),
		run(`document.getElementById("list").dispatchEvent(new Event("scroll")); 0`), until(`document.querySelector("#meaning:popover-open")`),
		run(`document.getElementById("body").dispatchEvent(new Event("scroll")); 0`), until(`!document.querySelector("#meaning")`),
		// The edge moves by keys, and stays where it is.
		run(`document.querySelector("#grip").focus()`), chromedp.KeyEvent(kb.ArrowLeft), until(`document.querySelector("#grip").getAttribute("aria-valuenow") === "48"`),
		until(`Math.abs(document.querySelector("#details").offsetWidth - innerWidth * .48) < 3`))
	// A secret is hidden in each of the ways.
	do(t, ctx, run(`location.hash = "entry=5"; 0`), openEntry(5))
	for key, want := range []string{"password hidden", "password hidden", "password hidden", "••"} {
		do(t, ctx, tab(key+1), until(way+`.includes("`+want+`")`))
		text := get(t, ctx, chromedp.Evaluate[string](`document.querySelector("#details").textContent`))
		if strings.Contains(text, "AHJv") || strings.Contains(text, "secret\n") || strings.Contains(text, "41 48 4a 76") {
			t.Errorf("tab %d shows the secret:\n%s", key+1, text)
		}
	}
	// Esc closes, and the focus goes back to the list.
	do(t, ctx, chromedp.KeyEvent(kb.Escape), until(`document.querySelector("#details").hidden && document.activeElement.id === "list"`))
}

func TestCopies(t *testing.T) {
	ctx := browser(t)
	log, s, url := show(t)
	say(log, record.CS, header+"<message id='`${1}`' to='a@b'><body>one ` and \"two\"</body></message><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</auth>")
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known >= 3 })
	do(t, ctx, chromedp.Navigate(url), until(`document.querySelectorAll(".row:not(.loading)").length > 2`),
		run(`window.put = []; navigator.clipboard.writeText = async (text) => { put.push(text); }; location.hash = "entry=2"; 0`), openEntry(2))
	press := func(as, said string) string {
		t.Helper()
		do(t, ctx, run(`document.querySelector("#copied").textContent = ""; document.querySelector("#copy").click()`), until(`document.querySelector("#copies:popover-open")`),
			run(`document.querySelector("#copies [data-as=`+as+`]").click()`), until(`document.querySelector("#copied").textContent === "`+said+`"`))
		return get(t, ctx, chromedp.Evaluate[string](`put.at(-1)`))
	}
	if got := press("xml", "Copied as XML"); got != "<message id='`${1}`' to='a@b'><body>one ` and \"two\"</body></message>" {
		t.Errorf("XML: %s", got)
	}
	for as, want := range map[string][2]string{"go": {"Copied as a test in Go", "t.Run("}, "python": {"Copied as a test in Python", "unittest"}, "js": {"Copied as a test in JavaScript", "node:test"}} {
		if got := press(as, want[0]); !strings.Contains(got, want[1]) || !strings.Contains(got, "xmlns='jabber:client'") {
			t.Errorf("%s: %s", as, got)
		}
	}
	if got := press("link", "Copied the link to entry 2"); !strings.HasSuffix(got, "#entry=2") || strings.Contains(got, "token") {
		t.Errorf("link: %s", got)
	}
	do(t, ctx, run(`location.hash = "entry=3"; 0`), openEntry(3))
	if got := press("xml", "Copied as XML; secrets are masked"); !strings.Contains(got, "password hidden") || strings.Contains(got, "AHJv") {
		t.Errorf("masked: %s", got)
	}
}

// The page gets a piece of a large stanza, whatever its size, and asks for the
// next one.
func TestDetailsOfALargeStanza(t *testing.T) {
	ctx := browser(t)
	log, s, url := show(t)
	say(log, record.CS, header+"<message><body>")
	word := strings.Repeat("wherefore art thou ", 1<<20/19)
	for range 50 {
		say(log, record.CS, word)
	}
	say(log, record.CS, "</body></message><presence/>")
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known > 13 })
	do(t, ctx, chromedp.Navigate(url+"#entry=2"), openEntry(2))
	for key := range 4 {
		do(t, ctx, tab(key+1), until(way+`.includes("wherefore") || `+way+`.includes("77 68 65 72")`))
		if n := get(t, ctx, chromedp.Evaluate[int](`document.querySelector("#details").textContent.length`)); n > 300<<10 {
			t.Errorf("tab %d has %d characters", key+1, n)
		}
	}
	do(t, ctx, tab(2), until(`document.querySelector(".pager")?.textContent.includes("Bytes 0 to 65,536 of 4,194,304; 4,128,768 more")`),
		run(`document.querySelector(".pager button:last-child").click()`), until(`document.querySelector(".pager")?.textContent.includes("Bytes 65,536 to 131,072")`),
		run(`document.querySelector(".pager button:last-child").focus()`), chromedp.KeyEvent(kb.Enter), until(`document.querySelector(".pager")?.textContent.includes("Bytes 131,072 to 196,608") && document.activeElement.textContent === "Next"`),
		run(`document.querySelector(".pager button").click()`), until(`document.querySelector(".pager")?.textContent.includes("Bytes 65,536 to 131,072")`),
		run(`document.querySelector(".pager button").click()`), until(`document.querySelector(".pager")?.textContent.includes("Bytes 0 to") && document.querySelector(".pager button").disabled`),
		tab(1), until(`document.querySelector(".pager")?.textContent.includes("Bytes 0 to 262,144 of 4,194,304")`),
		run(`document.querySelector(".pager button:last-child").click()`), until(`document.querySelector(".pager")?.textContent.includes("Bytes 262,144 to 524,288")`),
		until(`document.querySelector("#facts").textContent.includes("goes on in#3")`), run(`document.querySelector("#facts .link").click()`), openEntry(3))
}

// What the tree lacks comes when somebody opens it, and the focus goes on there.
func TestTreeInTheBrowser(t *testing.T) {
	ctx := browser(t)
	log, s, url := show(t)
	say(log, record.CS, header+"<iq><query xmlns='urn:q'>"+strings.Repeat("<item/>", 250)+"</query>"+strings.Repeat("<d>", 20)+strings.Repeat("</d>", 20)+"</iq>")
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known >= 2 })
	const items = `document.querySelectorAll("[aria-level='3']:not(.more)").length`
	do(t, ctx, chromedp.Navigate(url+"#entry=2"), openEntry(2), tab(3), until(items+` === 101`),
		run(`document.querySelector(".more").focus()`), chromedp.KeyEvent(kb.Enter), until(items+` === 201 && document.querySelector(".more").textContent.startsWith("50 more")`),
		until(`document.activeElement === document.querySelectorAll("[aria-level='3']")[100]`),
		run(`document.querySelector(".more").click()`), until(items+` === 251 && !document.querySelector("[aria-level='3'].more")`),
		// As deep as is asked for: each level is opened by the key, and then entered.
		run(`[...document.querySelectorAll("[aria-level='3']")].at(-1).focus()`))
	for level := 4; level <= 21; level++ {
		do(t, ctx, until(`document.activeElement.getAttribute("aria-level") === "`+fmt.Sprint(level-1)+`"`), chromedp.KeyEvent(kb.ArrowRight))
		if level > 4 { // the third level is open at once
			do(t, ctx, until(`document.activeElement.getAttribute("aria-expanded") === "true" && document.activeElement.querySelector("[aria-level='`+fmt.Sprint(level)+`']:not(.more)")`), chromedp.KeyEvent(kb.ArrowRight))
		}
	}
	do(t, ctx, until(`document.activeElement.textContent.startsWith("d ") && document.activeElement.getAttribute("aria-level") === "21" && !document.activeElement.hasAttribute("aria-expanded")`))
}

// TestDetailsScreens keeps pictures of each tab where SCREENS names a directory.
func TestDetailsScreens(t *testing.T) {
	ctx := browser(t)
	r := demoReader(t)
	url := pages(t, r)
	for _, c := range []struct {
		name          string
		width, height int64
		theme         string
	}{{"light", 1280, 800, "light"}, {"dark", 1280, 800, "dark"}, {"narrow", 420, 900, "light"}, {"narrow-dark", 420, 900, "dark"}} {
		for key, name := range []string{"pretty", "raw", "tree", "hex"} {
			do(t, ctx, chromedp.EmulateViewport(c.width, c.height), chromedp.Navigate(url+"#entry="+screenEntry()), until(`document.querySelectorAll(".row").length > 5`),
				run(`document.documentElement.dataset.theme = "`+c.theme+`"; 0`), until(`!document.querySelector("#details").hidden`), tab(key+1), until(way))
			screen(t, ctx, "details-"+name+"-"+c.name)
		}
	}
}

func screenEntry() string {
	if n := os.Getenv("SCREENENTRY"); n != "" {
		return n
	}
	return "132"
}

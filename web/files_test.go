package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/diff"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// plainFiler opens recordings, and saves what was opened as it is.
type plainFiler struct {
	first string
	dirs  chan string
}

func (f plainFiler) Open(ctx context.Context, dir string, names []string) (*Opened, error) {
	if f.dirs != nil {
		f.dirs <- dir
	}
	r, err := timeline.Open(filepath.Join(dir, names[0]))
	if err != nil {
		return nil, &refusal{http.StatusUnprocessableEntity, names[0] + ": line 1 is no header", "open a recording"}
	}
	x, err := timeline.NewIndex(r)
	if err != nil {
		return nil, err
	}
	if err := x.Run(ctx); err != nil {
		return nil, err
	}
	return &Opened{Source: x, Path: filepath.Join(dir, names[0]), Close: func() { x.Close() }}, nil
}

func (f plainFiler) path(p string) string {
	if p == "" {
		return f.first
	}
	return p
}

func (f plainFiler) Save(ctx context.Context, of, to string, form Form, progress func(int, int64)) error {
	b, err := os.ReadFile(f.path(of))
	if !form.Exact {
		b = bytes.ReplaceAll(b, []byte("romeo"), []byte("xxxxx"))
	}
	return errors.Join(err, os.WriteFile(to, b, 0o600))
}

func (f plainFiler) Compare(ctx context.Context, dir string, a, b Named) (*SideBySide, func(), error) {
	var sources [2]*timeline.Index
	var readers [2]*record.Reader
	for i, n := range []Named{a, b} {
		r, err := timeline.Open(f.path(n.Path))
		if err != nil {
			return nil, nil, err
		}
		from, err := r.Clone()
		if err != nil {
			return nil, nil, err
		}
		if sources[i], err = timeline.NewIndex(from); err != nil {
			return nil, nil, err
		}
		if err := sources[i].Run(ctx); err != nil {
			return nil, nil, err
		}
		readers[i] = r
	}
	rep, err := diff.Compare(ctx, readers[0], readers[1], diff.Options{Rows: true})
	return &SideBySide{Report: rep, A: sources[0], B: sources[1]}, func() {
		for i := range sources {
			sources[i].Close()
			readers[i].Close()
		}
	}, err
}

const demo = "../testdata/recordings/demo.jsonl"

// send uploads a file as curl -F does.
func (c *caller) send(t *testing.T, name string, content io.Reader) *answered {
	t.Helper()
	in, out := io.Pipe()
	form := multipart.NewWriter(out)
	go func() {
		w, err := form.CreateFormFile("file", name)
		if err == nil {
			_, err = io.Copy(w, content)
		}
		out.CloseWithError(errors.Join(err, form.Close()))
	}()
	return c.do(t, "POST", "api/open", in, "Content-Type", form.FormDataContentType())
}

func TestOpensSavesAndCompares(t *testing.T) {
	_, s, url := show(t)
	dirs := make(chan string, 10)
	s.Files = plainFiler{demo, dirs}
	s.shelf.soon = 300 * time.Millisecond
	c := call(url)
	content, err := os.ReadFile(demo)
	if err != nil {
		t.Fatal(err)
	}
	var o opening
	c.send(t, "../../bug.jsonl", bytes.NewReader(content)).ok(t, &o)
	dir := <-dirs
	if info, err := os.Stat(filepath.Join(dir, "bug.jsonl")); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	if o.Title != "bug.jsonl" || o.URL != "/?rec="+o.Rec {
		t.Errorf("%+v", o)
	}
	// While a page shows it, it stays; and it is another one than the first.
	ws := dialPath(t, url, "live?rec="+o.Rec)
	for {
		var st status
		if err := ws.ReadJSON(&st); err != nil {
			t.Fatal(err)
		}
		if st.Op == "status" && st.Total == 288 && st.Title == "bug.jsonl" {
			break
		}
	}
	var st struct{ Total int }
	c.get(t, "api/status").ok(t, &st)
	if st.Total != 0 {
		t.Errorf("the first recording has %d entries", st.Total)
	}
	ws.WriteJSON(map[string]any{"op": "note", "n": 1, "text": "here"})
	for v := (noted{}); v.Op != "noted"; {
		ws.ReadJSON(&v)
		if v.Op == "noted" && v.Error == "" {
			t.Error("a note went into a recording that was opened")
		}
	}
	var cmp opening
	c.post(t, "api/compare", `{"a":"`+o.Rec+`","b":"`+o.Rec+`"}`).ok(t, &cmp)
	var report struct{ Rows int }
	c.get(t, "diff?cmp="+cmp.Rec).ok(t, &report)
	if report.Rows == 0 || !strings.HasPrefix(cmp.URL, "/diff.html?cmp=") {
		t.Errorf("%+v %+v", report, cmp)
	}
	for _, exact := range []bool{true, false} {
		answer := c.post(t, "api/save", fmt.Sprintf(`{"rec":"%s","exact":%v}`, o.Rec, exact))
		lines := strings.Split(strings.TrimSpace(answer.body), "\n")
		var file saving
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &file); err != nil || file.URL == "" || !strings.HasPrefix(file.Said, "Saved: "+file.Name+", ") {
			t.Fatalf("%v %s", err, answer.body)
		}
		got := c.get(t, file.URL[1:])
		if same := got.body == string(content); same != exact || strings.Contains(got.body, "romeo") != exact || strings.Contains(file.Name, "redacted") == exact {
			t.Errorf("exact %v: the same %v, %s", exact, same, file.Name)
		}
		if !strings.Contains(got.header.Get("Content-Disposition"), file.Name) {
			t.Errorf("%v", got.header)
		}
	}
	// When the last page has gone, and the comparison has, too, so does the file.
	ws.Close()
	wait(t, func() bool { _, err := os.Stat(dir); return os.IsNotExist(err) })
	if r := c.get(t, "api/status?rec="+o.Rec); r.status != 404 || !strings.Contains(r.body, "hint") {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func wait(t *testing.T, until func() bool) {
	t.Helper()
	for range 1000 {
		if until() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it never came")
}

func TestRefusesBadUploads(t *testing.T) {
	_, s, url := show(t)
	dirs := make(chan string, 100)
	c := call(url)
	if r := c.send(t, "a.jsonl", strings.NewReader("x")); r.status != 501 {
		t.Errorf("without a filer: %d %s", r.status, r.body)
	}
	s.Files = plainFiler{demo, dirs}
	for _, x := range []struct {
		name, content string
		status        int
		says          string
	}{
		{"a.jsonl", "no recording", 422, "a.jsonl: line 1"},
		{".large", strings.Repeat("x", 30<<20), 400, "no name"},
		{"..", "x", 400, "no name"},
		{".hidden", "x", 400, "no name"},
		{strings.Repeat("a", 200), "x", 400, "no name"},
		{"nul\x00.jsonl", "x", 400, "broke off"},
		{`..\..\boot.ini`, "x", 422, "boot.ini: line 1"},
	} {
		r := c.send(t, x.name, strings.NewReader(x.content))
		if r.status != x.status || !strings.Contains(r.body, x.says) || !strings.Contains(r.body, `"hint"`) {
			t.Errorf("%.30q: %d %s", x.name, r.status, r.body)
		}
	}
	close(dirs)
	for dir := range dirs {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is still there", dir)
		}
	}
	if r := c.post(t, "api/open", "{}"); r.status != 415 {
		t.Errorf("no form: %d %s", r.status, r.body)
	}
	// As many as fit.
	s.Files = plainFiler{demo, nil}
	content, err := os.ReadFile(demo)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		r := c.send(t, "a.jsonl", bytes.NewReader(content))
		if n == maxShelved {
			if r.status != 503 {
				t.Errorf("one more than %d: %d %s", n, r.status, r.body)
			}
			break
		}
		r.ok(t, nil)
	}
}

// endless never stops sending.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestBoundsUploads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big")
	n, err := write(http.NewResponseController(nil), path, endless{}, 5<<20)
	if !errors.Is(err, errTooLarge) || n != 5<<20+1 {
		t.Errorf("%d %v", n, err)
	}
}

// drop drops a file on the page, as dragging it there does.
const drop = `async function drop(path, name, zone) {
	const b = await (await fetch(path)).blob();
	const t = new DataTransfer();
	t.items.add(new File([b], name));
	for (const [kind, on] of [["dragenter", document.body], ["dragover", zone], ["drop", zone]]) {
		if (kind === "drop" && document.querySelector("#drop").hidden) throw new Error("no place to drop it");
		(typeof on === "string" ? document.querySelector(on) : on).dispatchEvent(new DragEvent(kind, {dataTransfer: t, bubbles: true, cancelable: true}));
	}
};`

func TestDropsARecording(t *testing.T) {
	ctx := browser(t)
	log, s, url := show(t)
	s.Files = plainFiler{demo, nil}
	say(log, record.CS, header+"<message><body>the first one</body></message>")
	exact := `await (await fetch("api/save", {method: "POST", body: '{"exact":true}'})).text()`
	do(t, ctx, chromedp.Navigate(url), until(rowTexts+`.includes("the first one")`),
		run(`(async () => { const saved = JSON.parse(`+exact+`); `+drop+` await drop(saved.url, "demo.jsonl", "#dropopen"); })(); 0`),
		until(`location.search.startsWith("?rec=") && document.querySelector("#title")?.textContent === "demo.jsonl"`),
		until(`document.querySelector("#counts").textContent.includes("288 entries")`), until(`!document.querySelector("#first").hidden`),
		until(`document.querySelector("#note").hidden`))
	// What is no recording is told.
	do(t, ctx, run(`(async () => { `+drop+` await drop("style.css", "style.css", "#dropopen"); })(); 0`),
		until(`document.querySelector("#notice.bad")?.textContent.includes("style.css: line 1 is no header (open a recording)")`))
	// Compared with what is shown, it has its own page.
	do(t, ctx, run(`(async () => { const saved = JSON.parse(`+exact+`); `+drop+` await drop(saved.url, "other.jsonl", "#dropcompare"); })(); 0`),
		until(`location.pathname === "/diff.html" && document.querySelector("#verdict")?.textContent.length > 3`))
	// The first one is where it was; saving says what it does.
	do(t, ctx, chromedp.Navigate(strings.Split(url, "?")[0]), until(rowTexts+`.includes("the first one")`),
		run(`document.querySelector("#list").focus()`), chromedp.KeyEvent("s"), until(`document.querySelector("#saving").open && document.querySelector("#saveform").elements.form.value === "share"`),
		run(`document.querySelector("#savego").click()`), until(`document.querySelector("#notice").textContent.includes("-redacted.jsonl")`))
}

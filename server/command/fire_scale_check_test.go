//go:build fire && linux

package command

import (
	"bytes"
	"image"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// look reads a picture from a node, notes what must not be, and says whether there was an
// answer. The caller holds s.
func (l *load) look(n *node, s *known) (answered bool) {
	began := time.Now()
	got := l.read(n.url(), s.held)
	switch {
	case got == readFailed:
		return false
	case got == readWrong:
		l.wrong.Add(1)
		l.wrongly(s, "other bytes from %s", n.name)
	case got == readGone:
		if !s.going && (s.life == 0 || time.Now().Before(s.asked.Add(s.life-l.early))) {
			l.lose(s, "%s does not have it", n.name)
		}
	case s.life > 0 && began.After(s.acked.Add(s.life+time.Second)):
		l.late.Add(1)
		l.wrongly(s, "%s has it %v after it expired", n.name, began.Sub(s.acked.Add(s.life)))
	case s.gone && began.After(s.deleted.Add(l.memory+time.Second)):
		l.undead.Add(1)
		l.wrongly(s, "%s has it %v after it was deleted", n.name, began.Sub(s.deleted))
	}
	return true
}

// lookSmall is look for the thumbnail.
func (l *load) lookSmall(n *node, s *known) (answered bool) {
	status, data := l.get(n, path(s.small.URL)+s.token)
	switch {
	case status == 200:
		l.wantSmall(n, s, data)
	case status == 404 && !s.going:
		l.lose(s, "%s does not have its thumbnail", n.name)
	}
	return status == 200 || status == 404
}

// wantSmall wants data to be a thumbnail of the size that was told.
func (l *load) wantSmall(n *node, s *known, data []byte) {
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		l.wrong.Add(1)
		l.wrongly(s, "thumbnail from %s: %v", n.name, err)
	} else if got := img.Bounds().Size(); got != image.Pt(s.small.Width, s.small.Height) {
		l.wrong.Add(1)
		l.wrongly(s, "thumbnail from %s: %v, announced were %dx%d", n.name, got, s.small.Width, s.small.Height)
	}
}

// get returns status and body; 0: there is no answer.
func (l *load) get(n *node, path string) (int, []byte) {
	resp, err := l.http.Get(n.url() + path)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, data
}

// verify looks at every picture through every node that is in use; of another one it is only wanted that no bytes are wrong.
func (l *load) verify() {
	l.t().Helper()
	began, all := time.Now(), l.nodes
	l.nodes = l.inUse()
	for _, n := range all {
		if !slices.Contains(l.nodes, n) {
			_, why := l.get(n, "/readyz")
			l.t().Logf("%s is not ready: %s", n.name, bytes.TrimSpace(why))
			for _, s := range l.all {
				if l.read(n.url(), s.held) == readWrong {
					l.wrong.Add(1)
					l.wrongly(s, "other bytes from %s", n.name)
				}
			}
		}
	}
	l.each(func(n *node, s *known) bool {
		switch {
		case s.gone:
			return l.lookTrash(n, s)
		case s.going: // nobody was told whether it is deleted
			status, _ := l.get(n, s.url+s.token)
			return status == 200 && l.look(n, s) || status == 404 && l.lookTrash(n, s)
		}
		return l.look(n, s) && (s.small.URL == "" || l.lookSmall(n, s))
	})
	l.each(func(n *node, s *known) bool {
		if !s.gone {
			return true
		}
		time.Sleep(time.Until(s.deleted.Add(l.memory + 1100*time.Millisecond)))
		return l.look(n, s)
	})
	l.t().Logf("verified in %v", time.Since(began).Round(time.Second))
}

// lookTrash wants a deleted picture to be in the trash.
func (l *load) lookTrash(n *node, s *known) (answered bool) {
	container, _, _ := strings.Cut(s.url[1:], "/")
	token := tokenOf("delete-" + container)
	trashed := &held{url: "/delete-" + s.url[1:], token: token, digest: s.digest}
	got := l.read(n.url(), trashed)
	switch got {
	case readFailed:
		return false
	case readGone:
		l.lose(s, "%s does not have it in the trash", n.name)
		return true
	case readWrong:
		l.wrong.Add(1)
		l.wrongly(s, "other bytes in the trash of %s", n.name)
	}
	status, data := l.get(n, "/delete-"+path(s.small.URL)[1:]+token)
	switch status {
	case 200:
		l.wantSmall(n, s, data)
	case 404:
		l.lose(s, "%s does not have its thumbnail in the trash", n.name)
	}
	return status == 200 || status == 404
}

// each calls look for every picture and node; what is not answered for long is lost.
func (l *load) each(look func(*node, *known) bool) {
	work := make(chan *known)
	var workers sync.WaitGroup
	for range 6 {
		workers.Go(func() {
			for s := range work {
				for _, n := range l.nodes {
					if !tries(4, func() bool { return look(n, s) }) {
						l.lose(s, "%s does not answer", n.name)
					}
				}
			}
		})
	}
	for _, s := range l.all {
		work <- s
	}
	close(work)
	workers.Wait()
}

// tries does something until it is so, with a second between.
func tries(n int, is func() bool) bool {
	for i := range n {
		if i > 0 {
			time.Sleep(time.Second)
		}
		if is() {
			return true
		}
	}
	return false
}

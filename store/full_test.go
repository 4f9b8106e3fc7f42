package store

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"testing"
)

// Where there is no room but the reserve, new pictures are refused, and nothing else;
// where there is room again, they are not.
func TestAFullDiskRefusesNewPicturesAlone(t *testing.T) {
	for name, room := range map[string][2]uint64{"bytes": {reserveBytes - 1, 1 << 40}, "files": {1 << 40, reserveFiles - 1}} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(rand.New(rand.NewPCG(1, 1)))
			d, err := m.start(Options{Now: newClock().Now, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			put(t, d, item("a", "x"), item("b", "y"))
			m.files.setRoom(room[0], room[1])
			if _, err := tryPut(d, item("c", "z")); !errors.Is(err, ErrFull) {
				t.Errorf("Put: %v, want ErrFull", err)
			}
			if err := errors.Join(del(d, "a"), move(d, rename{From: "b", To: "moved"}), d.Flush(), d.Ready()); err != nil {
				t.Error(err)
			}
			if got := read(t, d, "moved"); got != "y" {
				t.Errorf("moved = %q", got)
			}
			m.files.setRoom(1<<40, 1<<40)
			put(t, d, item("c", "z"))
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

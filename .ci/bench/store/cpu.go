package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// tick is the unit of times in /proc, the same on every Linux that Go runs on.
const tick = time.Second / 100

// usage is CPU time spent so far, user and system.
type usage struct{ server, others time.Duration }

// usage returns what the processes of s have spent, and what all but they and we have: other work, and the kernel's own threads.
func (s *server) usage() (usage, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return usage{}, err
	}
	var u usage
	group := strconv.Itoa(s.cmd.Process.Pid)
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		// pid (name, with anything in it) state ppid pgrp and so on, as proc(5) numbers them; utime is 14, stime 15
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 13 || string(fields[2]) != group {
			continue
		}
		spent, err := ticks(fields[11:13])
		if err != nil {
			return usage{}, err
		}
		u.server += spent
	}
	all, err := os.ReadFile("/proc/stat")
	if err != nil {
		return usage{}, err
	}
	// cpu user nice system idle iowait irq softirq steal and so on
	fields := bytes.Fields(all)
	if len(fields) < 9 {
		return usage{}, fmt.Errorf("/proc/stat begins with %.100q", all)
	}
	busy, err := ticks(append(fields[1:4:4], fields[6:9]...))
	if err != nil {
		return usage{}, err
	}
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return usage{}, err
	}
	u.others = busy - u.server - time.Duration(own.Utime.Nano()+own.Stime.Nano())
	return u, nil
}

func ticks(fields [][]byte) (sum time.Duration, err error) {
	for _, f := range fields {
		n, err := strconv.Atoi(string(f))
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

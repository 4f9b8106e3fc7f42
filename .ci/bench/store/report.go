package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// errBar is returned when a bar is missed.
var errBar = errors.New("a bar is missed")

// bar is the least that the rate of a target may be, in units of another's.
type bar struct {
	size, clients int
	target, peer  string
	least         float64
}

var bars = []bar{
	{50_000, 1, "tintype-put", "raw", 0.9},
	{50_000, 8, "tintype-put", "raw", 1.0},
	{50_000, 64, "tintype-put", "raw", 1.8},
	{500_000, 1, "tintype-put", "raw", 0.7},
	{500_000, 8, "tintype-put", "raw", 0.8},
	{500_000, 64, "tintype-put", "raw", 1.0},
	{50_000, 1, "tintype-put", "redis", 0.6},
	{50_000, 8, "tintype-put", "redis", 0.6},
	{50_000, 64, "tintype-put", "redis", 0.6},
	{50_000, 64, "tintype-put", "versitygw", 1.2},
	{50_000, 1, "tintype-ttl", "nginx", 0.6},
	{50_000, 8, "tintype-ttl", "nginx", 0.6},
	{50_000, 64, "tintype-ttl", "nginx", 0.6},
	{50_000, 1, "tintype-ttl", "versitygw", 2},
	{50_000, 8, "tintype-ttl", "versitygw", 2},
	{50_000, 64, "tintype-ttl", "versitygw", 2},
}

// printTable prints the cells of one size.
func printTable(w io.Writer, targets []target, cells []*cell) {
	fmt.Fprintf(w, "\n== %d bytes: medians of %d rounds\n", cells[0].size, len(cells[0].results[targets[0].name]))
	fmt.Fprintf(w, "%-13s %-7s", "", "durable")
	for _, c := range cells {
		fmt.Fprintf(w, " | %-45s", plural(c.clients))
	}
	fmt.Fprintf(w, "\n%-13s %-7s", "", "at ack")
	for range cells {
		fmt.Fprintf(w, " | %7s %17s %9s %9s", "per s", "of raw", "CPU us", "p99 ms")
	}
	fmt.Fprintln(w)
	for _, t := range targets {
		durable := "no"
		if t.durable {
			durable = "yes"
		}
		fmt.Fprintf(w, "%-13s %-7s", t.name, durable)
		for _, c := range cells {
			fmt.Fprintf(w, " | %7.0f %17s %9.0f %9.2f",
				c.median(t.name, func(r result) float64 { return r.rate }), c.against(t.name, "raw"),
				c.median(t.name, func(r result) float64 { return r.cpuEach }),
				c.median(t.name, func(r result) float64 { return ms(r.p99) }))
		}
		fmt.Fprintln(w)
	}
}

func plural(clients int) string {
	if clients == 1 {
		return "1 client"
	}
	return fmt.Sprintf("%d clients", clients)
}

// printBars prints the bars that were measured, and returns errBar if one is missed.
func printBars(w io.Writer, cells []*cell) error {
	var err error
	fmt.Fprintf(w, "\n== bars\n")
	for _, b := range bars {
		for _, c := range cells {
			ratios := c.ratios(b.target, b.peer)
			if c.size != b.size || c.clients != b.clients || ratios == nil {
				continue
			}
			word, sign := "ok", ">="
			if median(ratios) < b.least {
				word, sign, err = "MISS", "< ", errBar
			}
			fmt.Fprintf(w, "%7d bytes %3d clients  %-11s / %-10s %17s %s %.1f  %s\n",
				b.size, b.clients, b.target, b.peer, c.against(b.target, b.peer), sign, b.least, word)
		}
	}
	return err
}

// against returns the median of ratios, the smallest and the largest.
func (c *cell) against(name, peer string) string {
	ratios := c.ratios(name, peer)
	if ratios == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f-%.2f)", median(ratios), slices.Min(ratios), slices.Max(ratios))
}

// ratios returns how a target's rate was to another's, round by round; nil where one was not measured.
func (c *cell) ratios(name, peer string) []float64 {
	var all []float64
	for i, r := range c.results[name] {
		if i < len(c.results[peer]) {
			all = append(all, r.rate/c.results[peer][i].rate)
		}
	}
	return all
}

func (c *cell) median(name string, value func(result) float64) float64 {
	var all []float64
	for _, r := range c.results[name] {
		all = append(all, value(r))
	}
	return median(all)
}

// median returns the middle value, or the mean of the middle two; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

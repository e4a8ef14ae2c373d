package config

import "strings"

// unknown is the problem with a name that is not known. open says what stands open
// if a setting was meant that is not there.
func unknown(name string, here, elsewhere []string, open func(meant string) string) Problem {
	p := Problem{Text: "unknown setting", Warning: true}
	meant := nearest(name, here)
	if meant == "" {
		meant = nearest(name, elsewhere)
	}
	if meant != "" {
		p.Text += ", did you mean " + meant + "?"
		p.Open = open(meant)
	}
	return p
}

// nearest is the known name that somebody who wrote name may have meant, "" if
// none is close: case and the marks between words do not matter, and of three
// letters one may be wrong, missing, too many, or swapped with the next.
func nearest(name string, known []string) string {
	plain := plainName(name)
	if len(plain) > maxNameLength {
		return ""
	}
	best, least := "", max(1, len(plain)/3)+1
	for _, k := range known {
		if d := distance(plain, plainName(k)); d < least && d < len(plain) {
			best, least = k, d
		}
	}
	return best
}

// maxNameLength is that of names which are compared with others, in bytes.
const maxNameLength = 64

func plainName(name string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(name))
}

// distance is how many bytes must be added, taken out, replaced, or swapped with
// their neighbour, to make b of a.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			same := 1
			if a[i-1] == b[j-1] {
				same = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+same)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

package netio

import "strconv"

// gsoBroken reports whether a Linux kernel of that release (as in uname -r)
// mangles runs of equal-sized segments: 7.0 up to 7.1.4 do.
func gsoBroken(release string) bool {
	var v [3]int
	rest := release
	for i := range v {
		digits := 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			digits++
		}
		n, err := strconv.Atoi(rest[:digits])
		if err != nil {
			if i < 2 {
				return false // not a version; nothing is known against it
			}
			break
		}
		v[i] = n
		rest = rest[digits:]
		if len(rest) == 0 || rest[0] != '.' {
			if i == 0 {
				return false
			}
			break
		}
		rest = rest[1:]
	}
	return v[0] == 7 && (v[1] == 0 || v[1] == 1 && v[2] <= 4)
}

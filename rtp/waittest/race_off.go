//go:build !race

package waittest

// Race reports that the race detector runs, which makes codecs many times slower.
const Race = false

//go:build race

package opus

const raceDetector = true

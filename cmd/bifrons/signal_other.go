//go:build !unix

package main

import "os"

// rotateSignal is nil: there are no such signals.
func rotateSignal(string) os.Signal { return nil }

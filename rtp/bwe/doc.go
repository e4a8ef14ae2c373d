// Package bwe estimates what the line to one peer carries, on the side that sends: Google's
// congestion control (draft-ietf-rmcat-gcc-02) as libwebrtc has it in goog_cc, by its
// public descriptions as of January 2026 (revision 2bc24d44).
package bwe

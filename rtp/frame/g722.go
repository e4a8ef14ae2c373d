package frame

// g722Decoder decodes G.722 at 64 kbit/s: an octet has two bits of ADPCM for the upper
// half of the band and six for the lower one (G.722, 1.4), and gives two samples at
// 16 kHz. Names are those of the recommendation where there are any.
type g722Decoder struct {
	bands [2]g722Band // lower, upper
	qmf   [24]int     // history of the synthesis filter
}

// g722Band is the predictor and quantizer of one band (G.722, 6.2).
type g722Band struct {
	s, sp, sz int
	r         [3]int // reconstructed signal
	a, ap     [3]int // poles
	p         [3]int // partially reconstructed signal
	d         [7]int // quantized difference
	b         [7]int // zeros
	bp        [7]int
	nb, det   int
}

func newG722() *g722Decoder {
	g := &g722Decoder{}
	g.bands[0].det, g.bands[1].det = 32, 8
	return g
}

// Tables of G.722, 6.2.1 and 6.2.2.
var (
	g722WL  = [8]int{-60, -30, 58, 172, 334, 538, 1198, 3042}
	g722RL  = [16]int{0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0}
	g722ILB = [32]int{
		2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
		2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
	}
	g722WH  = [3]int{0, -214, 798}
	g722RH  = [4]int{2, 1, 2, 1}
	g722QM2 = [4]int{-7408, -1616, 7408, 1616}
	g722QM4 = [16]int{
		0, -20456, -12896, -8968, -6288, -4240, -2584, -1200,
		20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
	}
	g722QM6 = [64]int{
		-136, -136, -136, -136, -24808, -21904, -19008, -16704,
		-14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
		-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576,
		-3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
		24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192,
		10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
		4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032,
		1688, 1360, 1040, 728, 432, 136, -432, -136,
	}
	g722QMF = [12]int{3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11}
)

// append appends the samples of payload.
func (g *g722Decoder) append(dst, payload []byte) []byte {
	for _, code := range payload {
		low, high := g.lower(int(code&0x3f)), g.upper(int(code>>6))
		copy(g.qmf[:], g.qmf[2:])
		g.qmf[22], g.qmf[23] = low+high, low-high
		even, odd := 0, 0
		for i, h := range g722QMF {
			odd += g.qmf[2*i] * h
			even += g.qmf[2*i+1] * g722QMF[11-i]
		}
		for _, v := range [2]int{even, odd} {
			s := uint16(saturate(v >> 11))
			dst = append(dst, byte(s), byte(s>>8))
		}
	}
	return dst
}

// lower decodes a code of the lower band.
func (g *g722Decoder) lower(code int) int {
	b := &g.bands[0]
	out := clamp(b.s+(b.det*g722QM6[code])>>15, -16384, 16383)
	code >>= 2
	d := (b.det * g722QM4[code]) >> 15
	b.scale(g722WL[g722RL[code]], 18432, 8)
	b.adapt(d)
	return out
}

// upper decodes a code of the upper band.
func (g *g722Decoder) upper(code int) int {
	b := &g.bands[1]
	d := (b.det * g722QM2[code]) >> 15
	out := clamp(d+b.s, -16384, 16383)
	b.scale(g722WH[g722RH[code]], 22528, 10)
	b.adapt(d)
	return out
}

// scale adapts the quantizer's scale factor (G.722, 3.5: LOGSCL and SCALEL, LOGSCH and
// SCALEH).
func (b *g722Band) scale(w, limit, shift int) {
	b.nb = clamp((b.nb*127)>>7+w, 0, limit)
	v := shift - b.nb>>11
	det := g722ILB[b.nb>>6&31]
	if v < 0 {
		det <<= -v
	} else {
		det >>= v
	}
	b.det = det << 2
}

// adapt adapts the predictor to a quantized difference (G.722, 3.6: block 4).
func (b *g722Band) adapt(d int) {
	b.d[0] = d
	b.r[0] = saturate(b.s + d)
	b.p[0] = saturate(b.sz + d)

	var sign [3]int
	for i := range sign {
		sign[i] = b.p[i] >> 15
	}
	a1 := saturate(b.a[1] << 2) // UPPOL2
	v := a1
	if sign[0] == sign[1] {
		v = -a1
	}
	v = min(v, 32767) >> 7
	if sign[0] == sign[2] {
		v += 128
	} else {
		v -= 128
	}
	b.ap[2] = clamp(v+(b.a[2]*32512)>>15, -12288, 12288)

	v = -192 // UPPOL1
	if sign[0] == sign[1] {
		v = 192
	}
	limit := saturate(15360 - b.ap[2])
	b.ap[1] = clamp(saturate(v+(b.a[1]*32640)>>15), -limit, limit)

	step := 128 // UPZERO
	if d == 0 {
		step = 0
	}
	for i := 1; i < 7; i++ {
		v := -step
		if b.d[i]>>15 == d>>15 {
			v = step
		}
		b.bp[i] = saturate(v + (b.b[i]*32640)>>15)
	}
	copy(b.d[1:], b.d[:6]) // DELAYA
	copy(b.b[1:], b.bp[1:])
	copy(b.r[1:], b.r[:2])
	copy(b.p[1:], b.p[:2])
	copy(b.a[1:], b.ap[1:])

	b.sp = saturate((b.a[1]*saturate(2*b.r[1]))>>15 + (b.a[2]*saturate(2*b.r[2]))>>15) // FILTEP
	b.sz = 0                                                                           // FILTEZ
	for i := 6; i > 0; i-- {
		b.sz += (b.b[i] * saturate(2*b.d[i])) >> 15
	}
	b.sz = saturate(b.sz)
	b.s = saturate(b.sp + b.sz) // PREDIC
}

func clamp(v, low, high int) int { return max(low, min(v, high)) }

func saturate(v int) int { return clamp(v, -32768, 32767) }

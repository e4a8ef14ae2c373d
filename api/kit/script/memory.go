package script

import (
	"reflect"
	"runtime/metrics"
	"time"
	"unsafe"
)

// heap is how many bytes of the process's memory the last collection has found in use, and how
// many are taken now.
func heap() (live, all uint64) {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64(), sample[1].Value.Uint64()
}

func liveHeap() uint64 {
	live, _ := heap()
	return live
}

// Times between looks at the memory of a script, and how much more of the process's there has to
// be for the script's to be measured again.
const (
	weighEvery = time.Second
	weighAfter = 32 << 20
)

// weigh measures the memory of the script where there is cause to, and has a script that holds
// too much end.
func (r *run) weigh(now bool) {
	if r.large || r.over.Load() {
		return
	}
	if !now {
		if time.Since(r.looked) < weighEvery {
			return
		}
		r.looked = time.Now()
		live := liveHeap()
		if r.measured = min(r.measured, live); live-r.measured < weighAfter {
			return
		}
		r.measured = live
	}
	if limit := uint64(r.set.Memory) << 20; measure(r.interp.Memory(), limit) > limit {
		r.large = true
		r.p.exec.Must(func() { r.p.restart(r) })
	}
}

// measure is about how many bytes can be reached from roots; it stops where there are more than
// limit. It looks at values as they lie in memory, which no scripting language shows. It
// does not see what functions of Go hold.
func measure(roots []any, limit uint64) uint64 {
	m := meter{seen: make(map[unsafe.Pointer]struct{}), limit: limit}
	for _, x := range roots {
		m.add(reflect.ValueOf(x))
	}
	for len(m.queue) > 0 && m.sum <= limit {
		v := m.queue[len(m.queue)-1]
		m.queue = m.queue[:len(m.queue)-1]
		m.inside(v)
	}
	return m.sum
}

// meter counts bytes. Values to look at wait in a queue, as values may be nested deeper
// than a stack.
type meter struct {
	seen  map[unsafe.Pointer]struct{}
	queue []reflect.Value
	sum   uint64
	limit uint64
}

// first notes an address; false if it was there before.
func (m *meter) first(p unsafe.Pointer) bool {
	if p == nil {
		return false
	}
	if _, ok := m.seen[p]; ok {
		return false
	}
	m.seen[p] = struct{}{}
	return true
}

func (m *meter) add(v reflect.Value) { m.queue = append(m.queue, v) }

// inside counts the values that a value refers to; the value itself is counted already.
func (m *meter) inside(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if m.first(v.UnsafePointer()) {
			m.sum += uint64(v.Type().Elem().Size())
			m.deeper(v.Elem())
		}
	case reflect.Interface:
		if e := v.Elem(); e.IsValid() {
			if k := e.Kind(); k != reflect.Pointer {
				m.sum += uint64(e.Type().Size())
			}
			m.deeper(e)
		}
	case reflect.String:
		if m.first(unsafe.Pointer(unsafe.StringData(v.String()))) {
			m.sum += uint64(v.Len())
		}
	case reflect.Slice:
		if v.Len() == 0 || !m.first(v.UnsafePointer()) {
			return
		}
		m.sum += uint64(v.Cap()) * uint64(v.Type().Elem().Size())
		m.elements(v)
	case reflect.Array:
		m.elements(v)
	case reflect.Map:
		if v.Len() == 0 || !m.first(v.UnsafePointer()) {
			return
		}
		m.sum += uint64(v.Len()) * uint64(v.Type().Key().Size()+v.Type().Elem().Size()+8)
		for it := v.MapRange(); it.Next() && m.sum <= m.limit; {
			m.deeper(it.Key())
			m.deeper(it.Value())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			m.deeper(v.Field(i))
		}
	}
}

func (m *meter) elements(v reflect.Value) {
	if !refers(v.Type().Elem()) {
		return
	}
	for i := 0; i < v.Len() && m.sum <= m.limit; i++ {
		m.deeper(v.Index(i))
	}
}

func (m *meter) deeper(v reflect.Value) {
	if refers(v.Type()) {
		m.add(v)
	}
}

// refers reports whether values of a type refer to others that are counted.
func refers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.String, reflect.Slice, reflect.Map:
		return true
	case reflect.Array:
		return t.Len() > 0 && refers(t.Elem())
	case reflect.Struct:
		return t.NumField() > 0
	}
	return false
}

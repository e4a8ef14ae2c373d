package peer

import (
	"reflect"
	"testing"
)

// TestCountersAdd sets every field of the counters, those of later versions
// too.
func TestCountersAdd(t *testing.T) {
	var one, sum Counters
	var n uint64
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() == reflect.Struct {
				fill(f)
			} else {
				n++
				f.SetUint(n)
			}
		}
	}
	fill(reflect.ValueOf(&one).Elem())
	sum.Add(&one)
	if sum != one {
		t.Errorf("got %+v, want %+v", sum, one)
	}
	sum.Add(&one)
	if sum == one {
		t.Error("the second time adds nothing")
	}
}

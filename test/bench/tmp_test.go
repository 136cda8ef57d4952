package bench
import ("testing";"github.com/pillion-dev/pillion/sidecars";"github.com/go-json-experiment/json/jsontext";"bytes";"strings")
func BenchmarkRead(b *testing.B){
	w:=workOf(b,realPod,oneSmall)
	b.Run("readpod",func(b *testing.B){b.ReportAllocs();for b.Loop(){ if _,err:=sidecars.ReadPod(w.object);err!=nil{b.Fatal(err)}}})
	b.Run("skipvalue",func(b *testing.B){for b.Loop(){ jsontext.NewDecoder(bytes.NewReader(w.object),sidecars.DecodeOptions()).SkipValue()}})
	b.Run("valid",func(b *testing.B){for b.Loop(){ jsontext.Value(w.object).IsValid(sidecars.DecodeOptions())}})
	pod,_:=sidecars.ReadPod(w.object)
	c:=catalog(b)
	b.Run("inject",func(b *testing.B){b.ReportAllocs();for b.Loop(){ sidecars.Inject(c,pod,&sidecars.Namespace{Name:"shop"})}})
	w4:=workOf(b,realPod,fourBuiltin)
	pod4,_:=sidecars.ReadPod(w4.object)
	var buf []byte
	b.Run("inject4",func(b *testing.B){b.ReportAllocs();for b.Loop(){ buf=sidecars.AppendPatch(buf[:0],sidecars.Inject(c,pod4,&sidecars.Namespace{Name:"shop"}).Patch)}})
	_=strings.Join
	n:=&call{handler:nothing,review:w.review}
	b.Run("nothing",func(b *testing.B){b.ReportAllocs();for b.Loop(){ n.do()}})
}

package web

import "net/http"

// strict lets the dashboard load and ask nothing but this server, and makes the browser
// refuse to take any text for HTML.
const strict = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Dashboard serves the page on which one sees how the server and its clients fare, below
// "/dashboard/", and leads there from "/". BasePath is that of the Admin API.
func Dashboard(s Settings) (http.Handler, error) {
	p, err := load("dashboard", "/dashboard", "/dashboard/settings.json", s)
	if err != nil {
		return nil, err
	}
	p.move("/dashboard/index.html", "/dashboard/")
	p.policy, p.permissions = strict, "camera=(), microphone=(), geolocation=()"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && r.Header.Get("Accept") != "" { // API clients know a 404 from there
			w.Header().Set("Location", "dashboard/")
			w.WriteHeader(http.StatusFound)
			return
		}
		p.ServeHTTP(w, r)
	}), nil
}

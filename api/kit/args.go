package kit

import (
	"bifrons/api/json"
	"bifrons/api/plugin"
)

// Request is one request of a client; its fields have the types that its row
// asks for. It is valid for as long as the function of its row runs.
type Request struct {
	Transaction string
	Host        plugin.Host // whose request it is; plugin.Nobody for the Admin API
	Body        Args
	JSEP        *plugin.JSEP // nil if there was none
}

// Args are the arguments of one request, or of one item of a list in it.
type Args = json.Args

module corogate/peers

go 1.20

require (
	github.com/alitto/pond/v2 v2.7.1
	github.com/panjf2000/ants/v2 v2.11.5
)

require golang.org/x/sync v0.11.0 // indirect

package tokenfile

// Await lets the tests hang a read, which no ordinary file does.
var Await = await

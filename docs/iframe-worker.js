// The search on pages that are opened as files: there a browser starts no worker, so a frame stands in for it.
// Messages arrive later than they are sent, as a worker's do: the page listens only after it has sent its first.
// The theme's offline plugin looks for a script of this name, which it otherwise loads from elsewhere.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.appendChild(frame)
      const inside = frame.contentWindow
      inside.document.open() // ends a pending load of about:blank, which would replace what is put in
      inside.document.write("<!DOCTYPE html><body></body>")
      inside.document.close()
      inside.postMessage = data =>
        setTimeout(() => this.dispatchEvent(new MessageEvent("message", { data })))
      inside.importScripts = (...addresses) =>
        addresses.reduce((before, next) => before.then(() => load(inside.document, next)), Promise.resolve())
      this.inside = load(inside.document, address).then(() => inside)
    }

    postMessage(data) {
      this.inside.then(inside => setTimeout(() => inside.dispatchEvent(new MessageEvent("message", { data }))))
    }
  }

  function load(inside, address) {
    return new Promise((done, failed) => {
      const script = inside.createElement("script")
      script.src = address
      script.onload = done
      script.onerror = failed
      inside.body.appendChild(script)
    })
  }
}

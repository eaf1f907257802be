/** A type of the browser that the declarations of p-queue name, and those of Node do not have. */
interface AddEventListenerOptions extends EventListenerOptions {
  once?: boolean
  passive?: boolean
  signal?: AbortSignal
}

/** A file of the library that its published types do not know; `library.ts` checks what is in it. */
declare module 'node-zookeeper-client/lib/jute/index.js'

/** Listening to a node. Only the node itself is given other methods, never its class. */

/**
 * Call something after a method of one node.
 *
 * @param {any} node
 * @param {string} name  like onConfigure
 * @param {(...values: any[]) => void} then  is given what the method was given
 */
export function after(node, name, then) {
  const own = node[name];
  node[name] = function (...values) {
    const result = own?.apply(this, values);
    then(...values);
    return result;
  };
}

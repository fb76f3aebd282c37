// Puts a customer's wallet into a shop's page, by one tag that stands where it is to be shown:
//
//   <script src="https://credit.shop.example/wallet/embed.js" data-token="eyJ…"></script>
//
// The token is the customer's, of the issuer that the stack believes. It is handed to the frame by a message, and is in no address. When
// it has run out, the tag gets the event `scrip-expired`; another `data-token` goes on, and none empties the frame.
(() => {
  const tag = document.currentScript;
  const home = new URL('../wallet', tag.src);
  const frame = document.createElement('iframe');
  frame.src = `${home}?embedded`;
  frame.title = tag.dataset.title ?? 'Store credit';
  frame.loading = 'lazy';
  frame.setAttribute('sandbox', 'allow-scripts allow-forms allow-same-origin allow-downloads');
  frame.style.cssText = 'width:100%;border:0;min-height:20rem';
  // Without a token, whoever was shown is no more.
  const hand = () => frame.contentWindow?.postMessage({ scripToken: tag.dataset.token ?? '' }, home.origin);
  addEventListener('message', ({ source, origin, data }) => {
    if (source !== frame.contentWindow || origin !== home.origin) return;
    if (data?.scrip === 'ready') hand();
    if (data?.scrip === 'height') frame.style.height = `${Math.min(Number(data.height) || 0, 20_000)}px`;
    if (data?.scrip === 'expired') tag.dispatchEvent(new CustomEvent('scrip-expired', { bubbles: true }));
  });
  new MutationObserver(hand).observe(tag, { attributeFilter: ['data-token'] });
  tag.after(frame);
})();

//! The picture and the page.

use expect_test::expect;

use super::*;

/// Text of the cells and rows of a picture or page, without its style.
fn body(text: &str) -> String {
    let (_, rest) = text.split_once("</style>").unwrap();
    rest.split("<script>").next().unwrap().trim().to_owned()
}

#[test]
fn the_picture() {
    let text = of(ReachFormat::Svg);
    assert!(!text.contains("<script"));
    expect![[r#"
        <rect class="page" width="586" height="438"/>
        <text class="h" x="24" y="40">Who can reach whom</text>
        <text class="f" x="24" y="60">Rows connect to columns; engine: the reference semantics</text>
        <text transform="translate(153 132) rotate(-45)"><tspan class="n">ops</tspan> agent</text>
        <text transform="translate(211 132) rotate(-45)">job</text>
        <text transform="translate(269 132) rotate(-45)">six</text>
        <text transform="translate(327 132) rotate(-45)"><tspan class="n">shop</tspan> db</text>
        <text transform="translate(385 132) rotate(-45)">web-0</text>
        <text transform="translate(443 132) rotate(-45)">node:n1</text>
        <text transform="translate(501 132) rotate(-45)">world</text>
        <text class="n" x="24" y="156">ops</text>
        <text x="116" y="156" text-anchor="end">agent</text>
        <text x="116" y="180" text-anchor="end">job</text>
        <text x="116" y="204" text-anchor="end">six</text>
        <line x1="24" y1="211" x2="124" y2="211"/>
        <text class="n" x="24" y="228">shop</text>
        <text x="116" y="228" text-anchor="end">db</text>
        <text x="116" y="252" text-anchor="end">web-0</text>
        <line x1="24" y1="259" x2="124" y2="259"/>
        <text x="116" y="276" text-anchor="end">node:n1</text>
        <line x1="24" y1="283" x2="124" y2="283"/>
        <text x="116" y="300" text-anchor="end">world</text>
        <g><title>ops/agent → ops/agent: not asked</title><rect class="denied" x="124" y="140" width="57" height="23" rx="3"/><text class="c t-denied" x="153" y="156">–</text></g>
        <g><title>ops/agent → ops/job: all</title><rect class="open" x="182" y="140" width="57" height="23" rx="3"/><text class="c t-open" x="211" y="156">all</text></g>
        <g><title>ops/agent → ops/six: nothing</title><rect class="denied" x="240" y="140" width="57" height="23" rx="3"/></g>
        <g><title>ops/agent → shop/db: all</title><rect class="open" x="298" y="140" width="57" height="23" rx="3"/><text class="c t-open" x="327" y="156">all</text></g>
        <g><title>ops/agent → shop/web-0: all</title><rect class="open" x="356" y="140" width="57" height="23" rx="3"/><text class="c t-open" x="385" y="156">all</text></g>
        <g><title>ops/agent → node:n1: all</title><rect class="open" x="414" y="140" width="57" height="23" rx="3"/><text class="c t-open" x="443" y="156">all</text></g>
        <g><title>ops/agent → world: world (IPv4): all</title><rect class="open" x="472" y="140" width="57" height="23" rx="3"/><text class="c t-open" x="501" y="156">all</text></g>
        <g><title>ops/job → ops/agent: all</title><rect class="open" x="124" y="164" width="57" height="23" rx="3"/><text class="c t-open" x="153" y="180">all</text></g>
        <g><title>ops/job → ops/job: not asked</title><rect class="denied" x="182" y="164" width="57" height="23" rx="3"/><text class="c t-denied" x="211" y="180">–</text></g>
        <g><title>ops/job → ops/six: 80-90/tcp; IPv6: none</title><rect class="part" x="240" y="164" width="57" height="23" rx="3"/><text class="c t-part" x="269" y="180">80-90</text></g>
        <g><title>ops/job → shop/db: nothing</title><rect class="denied" x="298" y="164" width="57" height="23" rx="3"/></g>
        <g><title>ops/job → shop/web-0: all</title><rect class="open" x="356" y="164" width="57" height="23" rx="3"/><text class="c t-open" x="385" y="180">all</text></g>
        <g><title>ops/job → node:n1: all</title><rect class="open" x="414" y="164" width="57" height="23" rx="3"/><text class="c t-open" x="443" y="180">all</text></g>
        <g><title>ops/job → world: world: all</title><rect class="open" x="472" y="164" width="57" height="23" rx="3"/><text class="c t-open" x="501" y="180">all</text></g>
        <g><title>ops/six → ops/agent: all</title><rect class="open" x="124" y="188" width="57" height="23" rx="3"/><text class="c t-open" x="153" y="204">all</text></g>
        <g><title>ops/six → ops/job: all</title><rect class="open" x="182" y="188" width="57" height="23" rx="3"/><text class="c t-open" x="211" y="204">all</text></g>
        <g><title>ops/six → ops/six: not asked</title><rect class="denied" x="240" y="188" width="57" height="23" rx="3"/><text class="c t-denied" x="269" y="204">–</text></g>
        <g><title>ops/six → shop/db: nothing</title><rect class="denied" x="298" y="188" width="57" height="23" rx="3"/></g>
        <g><title>ops/six → shop/web-0: all</title><rect class="open" x="356" y="188" width="57" height="23" rx="3"/><text class="c t-open" x="385" y="204">all</text></g>
        <g><title>ops/six → node:n1: all</title><rect class="open" x="414" y="188" width="57" height="23" rx="3"/><text class="c t-open" x="443" y="204">all</text></g>
        <g><title>ops/six → world: world: all</title><rect class="open" x="472" y="188" width="57" height="23" rx="3"/><text class="c t-open" x="501" y="204">all</text></g>
        <g><title>shop/db → ops/agent: all?</title><rect class="uncertain" x="124" y="212" width="57" height="23" rx="3"/><text class="c t-uncertain" x="153" y="228">all?</text></g>
        <g><title>shop/db → ops/job: nothing</title><rect class="denied" x="182" y="212" width="57" height="23" rx="3"/></g>
        <g><title>shop/db → ops/six: nothing</title><rect class="denied" x="240" y="212" width="57" height="23" rx="3"/></g>
        <g><title>shop/db → shop/db: not asked</title><rect class="denied" x="298" y="212" width="57" height="23" rx="3"/><text class="c t-denied" x="327" y="228">–</text></g>
        <g><title>shop/db → shop/web-0: nothing</title><rect class="denied" x="356" y="212" width="57" height="23" rx="3"/></g>
        <g><title>shop/db → node:n1: all?</title><rect class="uncertain" x="414" y="212" width="57" height="23" rx="3"/><text class="c t-uncertain" x="443" y="228">all?</text></g>
        <g><title>shop/db → world: 203.0.113.0/24: all</title><rect class="part" x="472" y="212" width="57" height="23" rx="3"/><text class="c t-part" x="501" y="228">part</text></g>
        <g><title>shop/web-0 → ops/agent: all</title><rect class="open" x="124" y="236" width="57" height="23" rx="3"/><text class="c t-open" x="153" y="252">all</text></g>
        <g><title>shop/web-0 → ops/job: all</title><rect class="open" x="182" y="236" width="57" height="23" rx="3"/><text class="c t-open" x="211" y="252">all</text></g>
        <g><title>shop/web-0 → ops/six: nothing</title><rect class="denied" x="240" y="236" width="57" height="23" rx="3"/></g>
        <g><title>shop/web-0 → shop/db: 5432/tcp</title><rect class="part" x="298" y="236" width="57" height="23" rx="3"/><text class="c t-part" x="327" y="252">5432</text></g>
        <g><title>shop/web-0 → shop/web-0: not asked</title><rect class="denied" x="356" y="236" width="57" height="23" rx="3"/><text class="c t-denied" x="385" y="252">–</text></g>
        <g><title>shop/web-0 → node:n1: all</title><rect class="open" x="414" y="236" width="57" height="23" rx="3"/><text class="c t-open" x="443" y="252">all</text></g>
        <g><title>shop/web-0 → world: world (IPv4): all</title><rect class="open" x="472" y="236" width="57" height="23" rx="3"/><text class="c t-open" x="501" y="252">all</text></g>
        <g><title>node:n1 → ops/agent: all</title><rect class="open" x="124" y="260" width="57" height="23" rx="3"/><text class="c t-open" x="153" y="276">all</text></g>
        <g><title>node:n1 → ops/job: all</title><rect class="open" x="182" y="260" width="57" height="23" rx="3"/><text class="c t-open" x="211" y="276">all</text></g>
        <g><title>node:n1 → ops/six: nothing</title><rect class="denied" x="240" y="260" width="57" height="23" rx="3"/></g>
        <g><title>node:n1 → shop/db: all</title><rect class="open" x="298" y="260" width="57" height="23" rx="3"/><text class="c t-open" x="327" y="276">all</text></g>
        <g><title>node:n1 → shop/web-0: all</title><rect class="open" x="356" y="260" width="57" height="23" rx="3"/><text class="c t-open" x="385" y="276">all</text></g>
        <g><title>node:n1 → node:n1: not asked</title><rect class="denied" x="414" y="260" width="57" height="23" rx="3"/><text class="c t-denied" x="443" y="276">–</text></g>
        <g><title>node:n1 → world: nothing</title><rect class="denied" x="472" y="260" width="57" height="23" rx="3"/></g>
        <g><title>world → ops/agent: world (IPv4): all</title><rect class="open" x="124" y="284" width="57" height="23" rx="3"/><text class="c t-open" x="153" y="300">all</text></g>
        <g><title>world → ops/job: world: all</title><rect class="open" x="182" y="284" width="57" height="23" rx="3"/><text class="c t-open" x="211" y="300">all</text></g>
        <g><title>world → ops/six: 10.0.1.0/24: 80-90/tcp</title><rect class="part" x="240" y="284" width="57" height="23" rx="3"/><text class="c t-part" x="269" y="300">part</text></g>
        <g><title>world → shop/db: nothing</title><rect class="denied" x="298" y="284" width="57" height="23" rx="3"/></g>
        <g><title>world → shop/web-0: world (IPv4): all</title><rect class="open" x="356" y="284" width="57" height="23" rx="3"/><text class="c t-open" x="385" y="300">all</text></g>
        <g><title>world → node:n1: nothing</title><rect class="denied" x="414" y="284" width="57" height="23" rx="3"/></g>
        <g><title>world → world: not asked</title><rect class="denied" x="472" y="284" width="57" height="23" rx="3"/><text class="c t-denied" x="501" y="300">–</text></g>
        <rect class="open" x="24" y="325" width="14" height="14" rx="3"/><text x="44" y="336">all ports</text>
        <rect class="part" x="119" y="325" width="14" height="14" rx="3"/><text x="139" y="336">some ports or some pods</text>
        <rect class="uncertain" x="306" y="325" width="14" height="14" rx="3"/><text x="326" y="336">uncertain</text>
        <rect class="denied" x="401" y="325" width="14" height="14" rx="3"/><text x="421" y="336">denied</text>
        <text class="f" x="24" y="370">? uncertain (K-73): engines differ on what a pod sends to its own node: name yours with --engine</text>
        <text class="f" x="24" y="388">M-3: 2 namespaces are used without an object (ops and shop): taken to have only the name label</text>
        <text class="f" x="24" y="406">K-61: ICMP has no ports and is no part of the map: `watertight explain &#39;A -&gt; B:icmp&#39;` answers it</text>
        </svg>"#]].assert_eq(&body(&text));
}

#[test]
fn the_page() {
    expect![[r#"
        </head>
        <body>
        <h1>Who can reach whom</h1>
        <p>Rows connect to columns. 22 pairs of pods; engine: the reference semantics; by watertight 0.1.0.</p>
        <ul class="legend" aria-label="Legend"><li><span class="open" aria-hidden="true"></span> all ports</li><li><span class="part" aria-hidden="true"></span> some ports or some pods</li><li><span class="uncertain" aria-hidden="true"></span> uncertain</li><li><span class="denied" aria-hidden="true"></span> denied</li></ul>
        <form class="filter" hidden>
        <label>From <select name="from"><option value="">everywhere</option><option>ops</option><option>shop</option></select></label>
        <label>To <select name="to"><option value="">everywhere</option><option>ops</option><option>shop</option></select></label>
        </form>
        <div class="scroll" tabindex="0" role="region" aria-label="Matrix">
        <table class="matrix">
        <thead>
        <tr><th scope="col" class="corner">from \ to</th>
        <th scope="col" data-to="ops" title="no policy restricts who connects to it"><span><b>ops</b> agent</span></th>
        <th scope="col" data-to="ops" title="no policy restricts who connects to it"><span><b>ops</b> job</span></th>
        <th scope="col" data-to="ops" title=""><span><b>ops</b> six</span></th>
        <th scope="col" data-to="shop" title=""><span><b>shop</b> db</span></th>
        <th scope="col" data-to="shop" title="no policy restricts who connects to it"><span><b>shop</b> web-0</span></th>
        <th scope="col" data-to="" title="no policy restricts who connects to it"><span>node:n1</span></th>
        <th scope="col" data-to="" title=""><span>world</span></th>
        </tr>
        </thead>
        <tbody data-from="ops">
        <tr><th scope="row" title="no policy restricts whom it connects to"><b>ops</b> agent</th><td class="denied" data-to="ops" title="ops/agent → ops/agent: not asked">–</td><td class="open" data-to="ops" title="ops/agent → ops/job: all">all</td><td class="denied" data-to="ops" title="ops/agent → ops/six: nothing"><i>denied</i></td><td class="open" data-to="shop" title="ops/agent → shop/db: all">all</td><td class="open" data-to="shop" title="ops/agent → shop/web-0: all">all</td><td class="open" data-to="" title="ops/agent → node:n1: all">all</td><td class="open" data-to="" title="ops/agent → world: world (IPv4): all">all</td></tr>
        <tr><th scope="row" title="no policy restricts whom it connects to"><b>ops</b> job</th><td class="open" data-to="ops" title="ops/job → ops/agent: all">all</td><td class="denied" data-to="ops" title="ops/job → ops/job: not asked">–</td><td class="part" data-to="ops" title="ops/job → ops/six: 80-90/tcp; IPv6: none">80-90</td><td class="denied" data-to="shop" title="ops/job → shop/db: nothing"><i>denied</i></td><td class="open" data-to="shop" title="ops/job → shop/web-0: all">all</td><td class="open" data-to="" title="ops/job → node:n1: all">all</td><td class="open" data-to="" title="ops/job → world: world: all">all</td></tr>
        <tr><th scope="row" title="no policy restricts whom it connects to"><b>ops</b> six</th><td class="open" data-to="ops" title="ops/six → ops/agent: all">all</td><td class="open" data-to="ops" title="ops/six → ops/job: all">all</td><td class="denied" data-to="ops" title="ops/six → ops/six: not asked">–</td><td class="denied" data-to="shop" title="ops/six → shop/db: nothing"><i>denied</i></td><td class="open" data-to="shop" title="ops/six → shop/web-0: all">all</td><td class="open" data-to="" title="ops/six → node:n1: all">all</td><td class="open" data-to="" title="ops/six → world: world: all">all</td></tr>
        </tbody>
        <tbody data-from="shop">
        <tr><th scope="row" title=""><b>shop</b> db</th><td class="uncertain" data-to="ops" title="shop/db → ops/agent: all?">all?</td><td class="denied" data-to="ops" title="shop/db → ops/job: nothing"><i>denied</i></td><td class="denied" data-to="ops" title="shop/db → ops/six: nothing"><i>denied</i></td><td class="denied" data-to="shop" title="shop/db → shop/db: not asked">–</td><td class="denied" data-to="shop" title="shop/db → shop/web-0: nothing"><i>denied</i></td><td class="uncertain" data-to="" title="shop/db → node:n1: all?">all?</td><td class="part" data-to="" title="shop/db → world: 203.0.113.0/24: all">part</td></tr>
        <tr><th scope="row" title="no policy restricts whom it connects to"><b>shop</b> web-0</th><td class="open" data-to="ops" title="shop/web-0 → ops/agent: all">all</td><td class="open" data-to="ops" title="shop/web-0 → ops/job: all">all</td><td class="denied" data-to="ops" title="shop/web-0 → ops/six: nothing"><i>denied</i></td><td class="part" data-to="shop" title="shop/web-0 → shop/db: 5432/tcp">5432</td><td class="denied" data-to="shop" title="shop/web-0 → shop/web-0: not asked">–</td><td class="open" data-to="" title="shop/web-0 → node:n1: all">all</td><td class="open" data-to="" title="shop/web-0 → world: world (IPv4): all">all</td></tr>
        </tbody>
        <tbody data-from="">
        <tr><th scope="row" title="no policy restricts whom it connects to">node:n1</th><td class="open" data-to="ops" title="node:n1 → ops/agent: all">all</td><td class="open" data-to="ops" title="node:n1 → ops/job: all">all</td><td class="denied" data-to="ops" title="node:n1 → ops/six: nothing"><i>denied</i></td><td class="open" data-to="shop" title="node:n1 → shop/db: all">all</td><td class="open" data-to="shop" title="node:n1 → shop/web-0: all">all</td><td class="denied" data-to="" title="node:n1 → node:n1: not asked">–</td><td class="denied" data-to="" title="node:n1 → world: nothing"><i>denied</i></td></tr>
        </tbody>
        <tbody data-from="">
        <tr><th scope="row" title="">world</th><td class="open" data-to="ops" title="world → ops/agent: world (IPv4): all">all</td><td class="open" data-to="ops" title="world → ops/job: world: all">all</td><td class="part" data-to="ops" title="world → ops/six: 10.0.1.0/24: 80-90/tcp">part</td><td class="denied" data-to="shop" title="world → shop/db: nothing"><i>denied</i></td><td class="open" data-to="shop" title="world → shop/web-0: world (IPv4): all">all</td><td class="denied" data-to="" title="world → node:n1: nothing"><i>denied</i></td><td class="denied" data-to="" title="world → world: not asked">–</td></tr>
        </tbody>
        </table>
        </div>
        <h2>Ports</h2>
        <details data-from="ops"><summary>ops/agent <span>4</span></summary>
        <table>
        <thead><tr><th scope="col">to</th><th scope="col">ports</th></tr></thead>
        <tr data-to="ops"><th scope="row">ops/job</th><td class="open">all</td></tr>
        <tr data-to="shop"><th scope="row">shop/db</th><td class="open">all</td></tr>
        <tr data-to="shop"><th scope="row">shop/web-0</th><td class="open">all</td></tr>
        <tr data-to=""><th scope="row">node:n1</th><td class="open">all</td></tr>
        <tr data-to=""><th scope="row">world</th><td class="open">world (IPv4): all</td></tr>
        </table></details>
        <details data-from="ops"><summary>ops/job <span>4</span></summary>
        <table>
        <thead><tr><th scope="col">to</th><th scope="col">ports</th></tr></thead>
        <tr data-to="ops"><th scope="row">ops/agent</th><td class="open">all</td></tr>
        <tr data-to="ops"><th scope="row">ops/six</th><td class="part">80-90/tcp; IPv6: none</td></tr>
        <tr data-to="shop"><th scope="row">shop/web-0</th><td class="open">all</td></tr>
        <tr data-to=""><th scope="row">node:n1</th><td class="open">all</td></tr>
        <tr data-to=""><th scope="row">world</th><td class="open">world: all</td></tr>
        </table></details>
        <details data-from="ops"><summary>ops/six <span>4</span></summary>
        <table>
        <thead><tr><th scope="col">to</th><th scope="col">ports</th></tr></thead>
        <tr data-to="ops"><th scope="row">ops/agent</th><td class="open">all</td></tr>
        <tr data-to="ops"><th scope="row">ops/job</th><td class="open">all</td></tr>
        <tr data-to="shop"><th scope="row">shop/web-0</th><td class="open">all</td></tr>
        <tr data-to=""><th scope="row">node:n1</th><td class="open">all</td></tr>
        <tr data-to=""><th scope="row">world</th><td class="open">world: all</td></tr>
        </table></details>
        <details data-from="shop"><summary>shop/db <span>2</span></summary>
        <table>
        <thead><tr><th scope="col">to</th><th scope="col">ports</th></tr></thead>
        <tr data-to="ops"><th scope="row">ops/agent</th><td class="uncertain">all?</td></tr>
        <tr data-to=""><th scope="row">node:n1</th><td class="uncertain">all?</td></tr>
        <tr data-to=""><th scope="row">world</th><td class="part">203.0.113.0/24: all</td></tr>
        </table></details>
        <details data-from="shop"><summary>shop/web-0 <span>4</span></summary>
        <table>
        <thead><tr><th scope="col">to</th><th scope="col">ports</th></tr></thead>
        <tr data-to="ops"><th scope="row">ops/agent</th><td class="open">all</td></tr>
        <tr data-to="ops"><th scope="row">ops/job</th><td class="open">all</td></tr>
        <tr data-to="shop"><th scope="row">shop/db</th><td class="part">5432/tcp</td></tr>
        <tr data-to=""><th scope="row">node:n1</th><td class="open">all</td></tr>
        <tr data-to=""><th scope="row">world</th><td class="open">world (IPv4): all</td></tr>
        </table></details>
        <details data-from=""><summary>node:n1 <span>4</span></summary>
        <table>
        <thead><tr><th scope="col">to</th><th scope="col">ports</th></tr></thead>
        <tr data-to="ops"><th scope="row">ops/agent</th><td class="open">all</td></tr>
        <tr data-to="ops"><th scope="row">ops/job</th><td class="open">all</td></tr>
        <tr data-to="shop"><th scope="row">shop/db</th><td class="open">all</td></tr>
        <tr data-to="shop"><th scope="row">shop/web-0</th><td class="open">all</td></tr>
        </table></details>
        <h2>Outside of the cluster</h2>
        <table class="outside">
        <thead><tr><th scope="col">from</th><th scope="col">to</th><th scope="col">ports</th><th scope="col">of note</th></tr></thead>
        <tbody>
        <tr><td>ops/agent, shop/web-0</td><td>world (IPv4)</td><td class="open">all</td><td>metadata services: 100.100.100.200, 168.63.129.16, 169.254.0.23, 169.254.42.42, 169.254.169.252, 169.254.169.254, 169.254.170.2, 169.254.170.23, 192.0.0.192</td></tr>
        <tr><td>ops/job, ops/six</td><td>world</td><td class="open">all</td><td>metadata services: 100.100.100.200, 168.63.129.16, 169.254.0.23, 169.254.42.42, 169.254.169.252, 169.254.169.254, 169.254.170.2, 169.254.170.23, 192.0.0.192, fd00:42::42, fd00:c1::a9fe:a9fe, fd00:ec2::23, fd00:ec2::254, fd00:a9fe:a9fe::1, fd20:ce::254</td></tr>
        <tr><td>shop/db</td><td>203.0.113.0/24</td><td class="open">all</td><td></td></tr>
        <tr><td>world (IPv4)</td><td>ops/agent, shop/web-0</td><td class="open">all</td><td></td></tr>
        <tr><td>world</td><td>ops/job</td><td class="open">all</td><td></td></tr>
        <tr><td>10.0.1.0/24</td><td>ops/six</td><td class="part">80-90/tcp</td><td></td></tr>
        </tbody></table>
        <h2>To know</h2>
        <ul>
        <li>? uncertain (K-73): engines differ on what a pod sends to its own node: name yours with --engine</li>
        <li>M-3: 2 namespaces are used without an object (ops and shop): taken to have only the name label</li>
        <li>K-61: ICMP has no ports and is no part of the map: `watertight explain &#39;A -&gt; B:icmp&#39;` answers it</li>
        </ul>"#]].assert_eq(&body(&of(ReachFormat::Html)));
}

/// Pictures and pages are read by machines that forgive nothing: every tag is closed.
#[test]
fn tags_are_closed() {
    for format in [ReachFormat::Svg, ReachFormat::Html] {
        let text = of(format);
        let mut open: Vec<&str> = Vec::new();
        for tag in text.split('<').skip(1) {
            let name = tag.split(['>', ' ', '\n']).next().unwrap();
            if ["!doctype", "meta"].contains(&name) || tag.split('>').next().unwrap().ends_with('/')
            {
                continue;
            }
            match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None => open.push(name),
            }
        }
        assert_eq!(open, Vec::<&str>::new());
    }
}

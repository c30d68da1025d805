"use strict";
(function(){
var R=document.documentElement,store={get:function(k){try{return localStorage.getItem(k)}catch(e){return null}},set:function(k,v){try{v?localStorage.setItem(k,v):localStorage.removeItem(k)}catch(e){}}};
var theme=store.get("wsb-theme");
if(theme==="light"||theme==="dark")R.dataset.theme=theme;
R.classList.add("js");
// columns that start hidden are hidden before the first paint, so that nothing moves
var params=new URLSearchParams(location.hash.slice(1));
["metrics","lists","entry"].forEach(function(g){var on=params.get("g-"+g);if(on===null?g!=="entry":on!=="1")R.classList.add("off-"+g)});
if(params.get("ci")==="0")R.classList.add("no-ci");
function num(t){t=t.replace(/\u2212/g,"-").trim();var v=parseFloat(t);return t===""||t==="\u2013"||isNaN(v)?null:v}
function value(c){if(!c)return null;var v=c.dataset.v;if(v!==undefined)return v===""?null:isNaN(+v)?v:+v;
 var t=c.firstChild&&c.firstChild.nodeType===3?c.firstChild.data:c.textContent;var n=num(t);return n===null?(t.trim()==="\u2013"?null:t.trim().toLowerCase()):n}
function sortBy(table,i,dir){
 var body=table.tBodies[0],rows=Array.prototype.slice.call(body.rows).map(function(r,k){return[value(r.cells[i]),r,k]});
 rows.sort(function(a,b){var x=a[0],y=b[0];if(x===null||y===null)return(x===null)-(y===null)||a[2]-b[2];
  var d=typeof x==="number"&&typeof y==="number"?x-y:String(x)<String(y)?-1:String(x)>String(y)?1:0;return d*dir||a[2]-b[2]});
 rows.forEach(function(r){body.appendChild(r[1])});
 Array.prototype.forEach.call(table.tHead.rows[0].cells,function(h,k){if(k===i)h.setAttribute("aria-sort",dir>0?"ascending":"descending");else h.removeAttribute("aria-sort")})}
function link(k,v){if(v===null||v==="")params.delete(k);else params.set(k,v);var h=params.toString();history.replaceState(null,"",h?"#"+h:location.pathname.split("/").pop()+location.search)}
function sortable(table){
 Array.prototype.forEach.call(table.tHead.rows[0].cells,function(h,i){
  var b=document.createElement("button");b.type="button";while(h.firstChild)b.appendChild(h.firstChild);h.appendChild(b);
  b.addEventListener("click",function(){
   var now=h.getAttribute("aria-sort"),up=/\u2191/.test(b.textContent)?-1:1,dir=now?(now==="ascending"?-1:1):up;
   sortBy(table,i,dir);link(table.id+"-sort",h.dataset.key+(dir<0?"-":""))})});
 var s=params.get(table.id+"-sort");
 if(s){var key=s.replace(/-$/,"");Array.prototype.forEach.call(table.tHead.rows[0].cells,function(h,i){if(h.dataset.key===key)sortBy(table,i,/-$/.test(s)?-1:1)})}}
function filters(form){
 var table=document.getElementById(form.dataset.for),out=form.querySelector("output");if(!table)return;
 function apply(){
  var e=form.elements,q=e.q.value.trim().toLowerCase(),seen=0,rows=table.tBodies[0].rows;
  Array.prototype.forEach.call(rows,function(r){
   var ok=!q||r.cells[0].textContent.toLowerCase().indexOf(q)>=0;
   ["family","frames","status"].forEach(function(k){if(e[k].value&&r.dataset[k]!==e[k].value)ok=false});
   r.hidden=!ok;if(ok)seen++});
  ["metrics","lists","entry"].forEach(function(g){var b=e["g-"+g];if(b)R.classList.toggle("off-"+g,!b.checked)});
  R.classList.toggle("no-ci",!e.ci.checked);
  out.textContent=(seen===rows.length?"":seen+" of ")+rows.length+(rows.length===1?" model":" models")}
 function save(){var e=form.elements;["q","family","frames","status"].forEach(function(k){link(k,e[k].value)});
  ["metrics","lists","entry"].forEach(function(g){var b=e["g-"+g];if(b)link("g-"+g,b.checked===b.defaultChecked?"":b.checked?"1":"0")});link("ci",e.ci.checked?"":"0")}
 params.forEach(function(v,k){var f=form.elements[k];if(!f)return;if(f.type==="checkbox")f.checked=v==="1";else f.value=v});
 form.addEventListener("input",function(){apply();save()});
 form.addEventListener("submit",function(ev){ev.preventDefault()});
 form.addEventListener("reset",function(){setTimeout(function(){apply();save()})});
 apply()}
function themes(){
 var nav=document.querySelector("nav[aria-label=Site]"),b=document.createElement("button"),next={"":"dark",dark:"light",light:""};
 function show(){b.textContent="Theme: "+(R.dataset.theme||"auto")}
 b.id="theme";b.type="button";show();nav.appendChild(b);
 b.addEventListener("click",function(){var t=next[R.dataset.theme||""];if(t)R.dataset.theme=t;else delete R.dataset.theme;store.set("wsb-theme",t);show()})}
function slider(box){
 var sr=box.querySelector(".sr"),input=box.querySelector(".input"),a=box.querySelector("[name=a]"),b=box.querySelector("[name=b]"),pick=box.querySelector("select");
 function show(){if(b&&+b.value<+a.value)b.value=a.value;if(input)input.style.clipPath="inset(0 "+(100-a.value)+"% 0 0)";if(sr)sr.style.clipPath="inset(0 "+(100-b.value)+"% 0 0)"}
 [a,b].forEach(function(k){if(k)k.addEventListener("input",function(){if(b&&k===b&&+b.value<+a.value)a.value=b.value;show()})});
 if(pick&&sr)pick.addEventListener("change",function(){var i=sr.querySelector("img");i.src=pick.value;i.alt=pick.selectedOptions[0].textContent});
 show()}
function el(tag,text,attrs){var e=document.createElementNS(attrs&&attrs.svg?"http://www.w3.org/2000/svg":"http://www.w3.org/1999/xhtml",tag);
 for(var k in attrs||{})if(k!=="svg")e.setAttribute(k,attrs[k]);if(text!==undefined&&text!==null)e.textContent=text;return e}
function compare(form){
 var D=JSON.parse(document.getElementById("cmp-data").textContent),box=document.getElementById("cmp"),E=form.elements;
 ["a","b","m"].forEach(function(k){var v=params.get(k);if(v&&Array.prototype.some.call(E[k].options,function(o){return o.value===v}))E[k].value=v});
 function fixed(v,n){return(v<0?"\u2212":v>0?"+":"")+Math.abs(v).toFixed(n)}
 function draw(){
  var M=D.metrics[E.m.value],i=D.slugs.indexOf(E.a.value),j=D.slugs.indexOf(E.b.value),A=M.values[i],B=M.values[j],d=[],w=0,l=0;
  D.tiles.forEach(function(t,k){if(A[k]!==null&&B[k]!==null){var x=(A[k]-B[k])/M.scale;d.push([x,k]);if(M.sign*x>M.margin)w++;else if(M.sign*x<-M.margin)l++}});
  box.textContent="";
  if(!d.length){box.appendChild(el("p","These two share no scored tile."));return}
  function mean(f){var s=0,n=0;d.forEach(function(p){if(f(p[1])){s+=p[0];n++}});return[n?s/n:0,n]}
  var word=M.beats[i][j]==="1"?"The first beats the second.":M.beats[j][i]==="1"?"The second beats the first.":"The two are not told apart.";
  var unit=M.unit?" "+M.unit:"",pair=i===j?null:M.pairs[Math.min(i,j)][Math.abs(i-j)-1];
  function turn(t){return i<j?t:t.charAt(0)==="+"?"\u2212"+t.slice(1):t.charAt(0)==="\u2212"?"+"+t.slice(1):t}
  var won=pair?pair[i<j?0:2]:w,lost=pair?pair[i<j?2:0]:l;
  var says=pair?turn(pair[3])+unit+(pair.length>4?", 95 % interval "+turn(pair[i<j?4:5])+" to "+turn(pair[i<j?5:4])+", p "+(pair[6].charAt(0)==="<"?"":"= ")+pair[6]:""):fixed(mean(function(){return 1})[0],M.decimals+1)+unit;
  box.appendChild(el("p",M.label+": difference "+says+" on "+d.length+" tiles; the first is better on "+won+", "+(M.margin?"within "+M.margin+unit+" on ":"equal on ")+(d.length-won-lost)+", worse on "+lost+". "+word));
  var S=360,P=44,all=A.concat(B).filter(function(v){return v!==null}),lo=Math.min.apply(null,all)/M.scale,hi=Math.max.apply(null,all)/M.scale,k=(S-P-28)/((hi-lo)||1);
  function X(v){return P+(v-lo)*k}function Y(v){return S-P-(v-lo)*k}
  var fig=el("figure"),svg=el("svg",null,{svg:1,"class":"fig",viewBox:"0 0 "+S+" "+S,width:S,height:S,role:"img","aria-label":"Scatter plot of "+M.label});
  svg.appendChild(el("path",null,{svg:1,"class":"zr",d:"M"+X(lo)+" "+Y(lo)+"L"+X(hi)+" "+Y(hi)}));
  [lo,(lo+hi)/2,hi].forEach(function(v){var t=v.toFixed(M.decimals>2?2:1);svg.appendChild(el("text",t,{svg:1,"class":"tk",x:X(v),y:S-P+18,"text-anchor":"middle"}));svg.appendChild(el("text",t,{svg:1,"class":"tk",x:P-6,y:Y(v)+4,"text-anchor":"end"}))});
  d.forEach(function(p){var c=el("circle",null,{svg:1,"class":"dt",cx:X(B[p[1]]/M.scale),cy:Y(A[p[1]]/M.scale),r:3.5});c.appendChild(el("title",D.tiles[p[1]][0],{svg:1}));svg.appendChild(c)});
  svg.appendChild(el("text","second \u2192",{svg:1,"class":"hd",x:S-20,y:S-8,"text-anchor":"end"}));svg.appendChild(el("text","first \u2191",{svg:1,"class":"hd",x:P+6,y:20}));
  fig.appendChild(svg);fig.appendChild(el("figcaption",M.label+" of both models, "+d.length+" tiles; on the line they are equal."));box.appendChild(fig);
  function table(head,rows,label){var wrap=el("div",null,{"class":"scroll",role:"region",tabindex:0,"aria-label":label}),t=el("table",null,{"class":"plain"}),h=t.createTHead().insertRow();t.createCaption().textContent=label;
   head.forEach(function(x,c){h.appendChild(el("th",x,{scope:"col","class":c>1||c===1&&head.length<3?"n":""}))});var b=t.createTBody();
   rows.forEach(function(r){var tr=b.insertRow();r.forEach(function(x,c){var cell=el(c?"td":"th",typeof x==="string"?x:null,c?{"class":c>1||head.length<3?"n":""}:{scope:"row"});if(typeof x!=="string")cell.appendChild(x);tr.appendChild(cell)})});wrap.appendChild(t);box.appendChild(wrap)}
  d.sort(function(p,q){return q[0]-p[0]||p[1]-q[1]});
  function row(p){var a=el("a",D.tiles[p[1]][0],{href:D.tiles[p[1]][1]});return[a,fixed(p[0],M.decimals)]}
  table(["Axis","Stratum","\u0394 "+M.label,"Tiles"],D.strata.map(function(s){var set={};s[2].forEach(function(t){set[t]=1});var m=mean(function(t){return set[t]});return[s[0],s[1],m[1]?fixed(m[0],M.decimals):"\u2013",String(m[1])]}),"Mean difference in every stratum: exploratory, not tested");
  function most(s,who){var f=d.filter(function(p){return p[0]*s>0});if(f.length)table(["Tile","\u0394 "+M.label],(s>0?f.slice(0,8):f.slice(-8).reverse()).map(row),"Largest differences in favour of "+who)}
  most(1,M.sign>0?"the first":"the second");most(-1,M.sign>0?"the second":"the first")}
 form.addEventListener("input",function(){["a","b","m"].forEach(function(k){link(k,E[k].value)});draw()});
 form.addEventListener("submit",function(ev){ev.preventDefault()});
 draw()}
document.addEventListener("DOMContentLoaded",function(){
 themes();
 document.querySelectorAll("table.sortable").forEach(sortable);
 document.querySelectorAll("form.ctl[data-for]").forEach(filters);
 document.querySelectorAll(".slider").forEach(slider);
 document.querySelectorAll("form.cmp").forEach(compare)})})();

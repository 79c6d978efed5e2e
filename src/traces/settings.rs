use hyper::Uri;

/// Where traces go (`[trace]` in proxy.toml).
#[derive(Debug, Clone)]
pub struct Settings {
    /// Of a collector that speaks OTLP over HTTP, without `/v1/traces`.
    pub endpoint: Uri,
    /// How many of the traces that begin here are kept, from 0 to 1.
    pub sample: f64,
}

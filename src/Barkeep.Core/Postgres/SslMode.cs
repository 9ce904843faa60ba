namespace Barkeep.Postgres;

/// <summary>How a connection is protected, with libpq's meanings (libpq-ssl.html, table 34.1). Not used on unix sockets.</summary>
public enum SslMode
{
    /// <summary>Never TLS.</summary>
    Disable,

    /// <summary>Taken as <see cref="Prefer"/>: asking for TLS first loses nothing.</summary>
    Allow,

    /// <summary>TLS when the server has it, else none; no certificate is checked.</summary>
    Prefer,

    /// <summary>TLS or nothing. The certificate is checked as by <see cref="VerifyCa"/> when root certificates are given.</summary>
    Require,

    /// <summary>TLS, and the server's certificate must come from one of the root certificates.</summary>
    VerifyCa,

    /// <summary>As <see cref="VerifyCa"/>, and the certificate must be for the host that was asked for.</summary>
    VerifyFull,
}

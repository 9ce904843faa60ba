namespace Barkeep.Configuration;

/// <summary>How much a connection insists on TLS: libpq's sslmode, of the same meanings; <c>allow</c> is taken as <c>prefer</c>.</summary>
public enum SslMode
{
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

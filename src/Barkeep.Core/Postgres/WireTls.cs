using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Barkeep.Common;
using Barkeep.Configuration;

namespace Barkeep.Postgres;

/// <summary>Asks the server for TLS and checks what it shows, by libpq's rules for sslmode (libpq-ssl.html).</summary>
static class WireTls
{
    const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    // SSLRequest: length 8, code 80877103.
    static readonly byte[] SslRequest = [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F];

    /// <summary>The protected stream, or the given one where the server has no TLS and the mode allows that.</summary>
    /// <exception cref="BarkeepException">AuthenticationFailed: no TLS, or a certificate that does not pass; Configuration: unreadable certificate files.</exception>
    public static async Task<Stream> NegotiateAsync(ConnectionTarget target, Stream stream, CancellationToken cancellationToken)
    {
        string? refusal = null;
        var options = new SslClientAuthenticationOptions();
        // Files are read first: their errors should not depend on the server.
        Configure(options, target, why => refusal = why);
        await stream.WriteAsync(SslRequest, cancellationToken);
        var answer = new byte[1];
        // Exactly one byte: whatever was sent along with it in clear must not be taken for protected.
        if (await stream.ReadAsync(answer, cancellationToken) == 0)
        {
            throw new BarkeepException(ErrorKind.ServerUnreachable, $"{target}: the server closed the connection", ConnectFailure.WhatToDo);
        }
        if (answer[0] != 'S')
        {
            return target.SslMode is SslMode.Prefer
                ? stream
                : throw new BarkeepException(ErrorKind.AuthenticationFailed, $"{target}: the server has no TLS", "set ssl = on there, or another sslmode here");
        }
        var tls = new SslStream(stream, leaveInnerStreamOpen: false);
        try
        {
            await tls.AuthenticateAsClientAsync(options, cancellationToken);
            return tls;
        }
        catch (AuthenticationException e) when (refusal is not null)
        {
            throw new BarkeepException(ErrorKind.AuthenticationFailed, $"{target}: {refusal}", "check sslmode, sslrootcert and the host's name", e);
        }
    }

    /// <summary>Reads the certificate files and sets the rules for a handshake.</summary>
    /// <param name="refused">Is told why a server's certificate does not pass.</param>
    /// <exception cref="BarkeepException">Configuration: unreadable certificate files.</exception>
    public static void Configure(SslClientAuthenticationOptions options, ConnectionTarget target, Action<string> refused)
    {
        var roots = Roots(target);
        options.TargetHost = target.Host;
        options.EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13;
        options.ClientCertificateContext = OwnCertificate(target);
        options.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
        {
            var refusal = Refusal(target, roots, certificate as X509Certificate2, chain, errors);
            if (refusal is not null)
            {
                refused(refusal);
            }
            return refusal is null;
        };
    }

    /// <summary>Why this certificate does not pass; null when it does.</summary>
    static string? Refusal(ConnectionTarget target, X509Certificate2Collection? roots, X509Certificate2? certificate, X509Chain? sent, SslPolicyErrors errors)
    {
        if (roots is null && target.SslMode != SslMode.VerifyFull)
        {
            return null;
        }
        if (certificate is null)
        {
            return "the server shows no certificate";
        }
        if (roots is null)
        {
            if (errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors))
            {
                return "the server's certificate does not come from a root certificate of this machine";
            }
        }
        else
        {
            using var chain = new X509Chain();
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.AddRange(roots);
            chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            chain.ChainPolicy.DisableCertificateDownloads = true;
            chain.ChainPolicy.ApplicationPolicy.Add(new Oid(ServerAuthentication));
            if (sent is not null)
            {
                chain.ChainPolicy.ExtraStore.AddRange(sent.ChainPolicy.ExtraStore);
            }
            if (!chain.Build(certificate))
            {
                return $"the server's certificate does not pass: {string.Join(", ", chain.ChainStatus.Select(s => s.StatusInformation.Trim().TrimEnd('.')))}";
            }
        }
        return target.SslMode == SslMode.VerifyFull && !certificate.MatchesHostname(target.Host)
            ? $"the server's certificate is for {certificate.GetNameInfo(X509NameType.DnsName, false)}, not for {target.Host}"
            : null;
    }

    /// <summary>The root certificates to check against; null where nothing is checked, or against the machine's own.</summary>
    static X509Certificate2Collection? Roots(ConnectionTarget target)
    {
        if (target.SslMode == SslMode.VerifyCa && target.SslRootCertificate is null)
        {
            // Anyone can have a certificate from those: without the name it proves nothing.
            throw new BarkeepException(
                ErrorKind.Configuration, $"{target}: sslmode verify-ca without sslrootcert accepts any certificate that this machine trusts", "name a PEM file, or use verify-full");
        }
        if (target.SslRootCertificate is null || target.SslMode is SslMode.Prefer)
        {
            return null;
        }
        return FromFile("sslrootcert", target.SslRootCertificate, path =>
        {
            var roots = new X509Certificate2Collection();
            roots.ImportFromPemFile(path);
            return roots.Count > 0 ? roots : throw new CryptographicException("there is no certificate in it");
        });
    }

    static SslStreamCertificateContext? OwnCertificate(ConnectionTarget target)
    {
        if (target.SslCertificate is null)
        {
            return null;
        }
        var key = target.SslKey ?? throw new BarkeepException(ErrorKind.Configuration, $"{target}: sslcert is given without sslkey", "set sslkey to the file of its key");
        var own = FromFile("sslcert or sslkey", target.SslCertificate, path => X509Certificate2.CreateFromPemFile(path, key));
        var intermediate = FromFile("sslcert", target.SslCertificate, path =>
        {
            var all = new X509Certificate2Collection();
            all.ImportFromPemFile(path);
            return all;
        });
        return SslStreamCertificateContext.Create(own, intermediate, offline: true);
    }

    static T FromFile<T>(string key, string path, Func<string, T> read)
    {
        try
        {
            return read(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new BarkeepException(ErrorKind.Configuration, $"{key} {path} cannot be used: {Errno.ReasonOf(e, path)}", $"it has to be in PEM, and open to the user that runs this (uid {NativeMethods.EffectiveUser()})", e);
        }
    }
}

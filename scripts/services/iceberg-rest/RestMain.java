package org.apache.iceberg.rest;

import java.io.FileInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.function.Consumer;
import org.apache.hadoop.conf.Configuration;
import org.apache.iceberg.CatalogUtil;
import org.apache.iceberg.catalog.Catalog;
import org.apache.iceberg.rest.credentials.ImmutableCredential;
import org.apache.iceberg.rest.responses.ConfigResponse;
import org.apache.iceberg.rest.responses.LoadTableResponse;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;

/**
 * Iceberg's own REST adapter over a JDBC catalog in SQLite. Listens on loopback only.
 * Arguments: PORT DATABASE WAREHOUSE, a file of what clients are told (or `-`), and properties of the catalog.
 */
public class RestMain {
  public static void main(String[] args) throws Exception {
    int port = Integer.parseInt(args[0]);
    Map<String, String> properties = new HashMap<>();
    properties.put("catalog-impl", "org.apache.iceberg.jdbc.JdbcCatalog");
    properties.put("uri", "jdbc:sqlite:" + args[1]);
    properties.put("jdbc.schema-version", "V1");
    properties.put("warehouse", args[2]);
    for (int next = 4; next < args.length; next += 1) {
      String[] pair = args[next].split("=", 2);
      properties.put(pair[0], pair[1]);
    }
    Catalog catalog = CatalogUtil.buildIcebergCatalog("backend", properties, new Configuration());
    Server server = new Server(new InetSocketAddress("127.0.0.1", port));
    ServletContextHandler context = new ServletContextHandler(ServletContextHandler.NO_SESSIONS);
    RESTCatalogAdapter adapter = args[3].equals("-")
        ? new RESTCatalogAdapter(catalog)
        : new Telling(catalog, args[3]);
    context.addServlet(new ServletHolder(new RESTCatalogServlet(adapter)), "/*");
    server.setHandler(context);
    server.start();
    System.out.println("READY " + port);
    server.join();
  }

  /**
   * Tells clients what a file of properties holds, which is read anew for each answer: `config.X` for all
   * tables, `table.X` with a table, `credential.X` with a table as a credential for its bucket. What comes
   * with a table only those get who ask for delegated access.
   */
  private static class Telling extends RESTCatalogAdapter {
    private final String file;

    Telling(Catalog catalog, String file) {
      super(catalog);
      this.file = file;
    }

    @Override
    public <T extends RESTResponse> T handleRequest(
        Route route,
        Map<String, String> vars,
        HTTPRequest request,
        Class<T> responseType,
        Consumer<Map<String, String>> responseHeaders) {
      T response = super.handleRequest(route, vars, request, responseType, responseHeaders);
      if (response instanceof ConfigResponse config) {
        return castResponse(responseType, ConfigResponse.builder()
            .withDefaults(config.defaults()).withDefaults(told("config."))
            .withOverrides(config.overrides()).withEndpoints(config.endpoints()).build());
      }
      boolean asks = request.headers().entries().stream().anyMatch(header ->
          header.name().equalsIgnoreCase("X-Iceberg-Access-Delegation")
              && header.value().contains("vended-credentials"));
      if (!(response instanceof LoadTableResponse loaded) || !asks) return response;
      LoadTableResponse.Builder more = LoadTableResponse.builder()
          .withTableMetadata(loaded.tableMetadata())
          .addAllConfig(loaded.config())
          .addAllConfig(told("table."));
      Map<String, String> credential = told("credential.");
      if (!credential.isEmpty()) {
        String location = loaded.tableMetadata().location();
        String bucket = location.substring(0, location.indexOf('/', location.indexOf("://") + 3));
        more.addCredential(
            ImmutableCredential.builder().prefix(bucket).putAllConfig(credential).build());
      }
      return castResponse(responseType, more.build());
    }

    private Map<String, String> told(String kind) {
      Properties all = new Properties();
      try (FileInputStream input = new FileInputStream(file)) {
        all.load(input);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      Map<String, String> some = new HashMap<>();
      for (String name : all.stringPropertyNames()) {
        if (name.startsWith(kind)) some.put(name.substring(kind.length()), all.getProperty(name));
      }
      return some;
    }
  }
}
